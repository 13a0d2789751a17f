"""Optimizers: each is one elementwise update function, run in place over cache-sized blocks.

They read `.grad` and write the parameters with NumPy; none knows a derivative.
"""

from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamw import AdamW
from .averages import RunningAverage, SimpleMovingAverage
from .callbacks import Callback, EarlyStopping, FitState
from .checkpoints import Checkpoint
from .clipping import clip_grad_norm_, clip_grad_value_
from .feed import accuracy
from .fit import fit
from .histograms import Histogram, Histograms
from .history import History
from .momentum import Momentum
from .nadam import NAdam
from .nonfinite import NonFiniteStepError
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .rmsprop import RMSprop
from .saving import load, save
from .schedule_chains import ChainedScheduler, SequentialLR
from .scheduler import LRScheduler
from .schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from .sgd import SGD
from .weight_average import ExponentialMovingAverage

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Callback",
    "ChainedScheduler",
    "Checkpoint",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "EarlyStopping",
    "ExponentialLR",
    "ExponentialMovingAverage",
    "FitState",
    "Histogram",
    "Histograms",
    "History",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "Momentum",
    "MultiStepLR",
    "NAdam",
    "NonFiniteStepError",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "RunningAverage",
    "SequentialLR",
    "SimpleMovingAverage",
    "StepLR",
    "accuracy",
    "clip_grad_norm_",
    "clip_grad_value_",
    "fit",
    "load",
    "save",
]
