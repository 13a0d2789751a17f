"""Functions of functions: grad, vjp, jvp, jacobian, hessian, hvp and checkpoint.

They give arrays for arrays and Tensors for Tensors, never touch `.grad`, and nest: each call differentiates with
respect to fresh entries of the tape, so that an inner derivative does not see an outer variable. Arguments and results
may be nested containers of arrays (`containers.py`); derivatives come in the same structure.
"""

from __future__ import annotations

from .checkpointing import checkpoint
from .gradients import grad, hvp, jvp, value_and_grad, vjp
from .jacobians import hessian, jacobian

__all__ = ["checkpoint", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
