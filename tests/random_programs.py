"""Random programs of NumPy calls, recorded from random functions of random arrays."""

import numpy as np

from recorder import RecordedArray, record

_UNARY = [np.negative, np.exp, np.tanh, np.square, np.absolute, np.sqrt, np.positive, np.sign, np.floor]
_BINARY = [np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.true_divide, np.arctan2]
_NUMBERS = [0, 1, -1, 2, 0.5, 3.0, -0.25, 1e-3, 0.0, -0.0, 7]
_SHAPES = [(), (1,), (3,), (4, 3), (1, 3), (4, 1), (2, 4, 3), (0, 3), (2, 1, 1)]
_DTYPES = [np.float64, np.float64, np.float32, np.int64, np.int32, bool]


def random_inputs(rng, dtypes=_DTYPES):
    """Arrays of all kinds of shapes and types; some are not contiguous."""
    arrays = []
    for _ in range(rng.integers(1, 5)):
        shape = _SHAPES[rng.integers(len(_SHAPES))]
        dtype = dtypes[rng.integers(len(dtypes))]
        array = np.asarray(rng.normal(size=shape) * 2).astype(dtype)
        if array.ndim and rng.random() < 0.3:
            array = np.repeat(array, 2, axis=-1)[..., ::2]
        elif array.ndim > 1 and rng.random() < 0.3:
            array = np.asfortranarray(array)
        arrays.append(array)
    return arrays


def random_program(seed, length=12, dtypes=_DTYPES):
    """A program and arrays for its inputs."""
    rng = np.random.default_rng(seed)
    arrays = random_inputs(rng, dtypes)
    updates = {}

    def function(*inputs):
        pool = list(inputs)
        with np.errstate(all="ignore"):
            while len(pool) < length + len(inputs):
                made = _step(rng, pool)
                pool += [x for x in made if isinstance(x, RecordedArray)]
        outs = [pool[i] for i in rng.integers(len(pool), size=rng.integers(1, 5))]
        for i, x in enumerate(inputs):
            fitting = [y for y in pool if y.shape == x.shape and y.dtype == x.dtype]
            if rng.random() < 0.5:
                updates[i] = len(outs)
                outs.append(fitting[-1 if rng.random() < 0.6 else rng.integers(len(fitting))])
        return outs

    return record(function, *arrays, updates=updates), arrays


def _step(rng, pool):
    a = pool[rng.integers(len(pool))] if rng.random() < 0.5 else pool[-1]
    b = pool[rng.integers(len(pool))]
    rank = a.ndim
    number = _NUMBERS[rng.integers(len(_NUMBERS))]
    axis = int(rng.integers(rank)) if rank else None
    axes = tuple(i for i in range(rank) if rng.random() < 0.5)
    keepdims = bool(rng.random() < 0.5)
    choice = rng.integers(20)
    real = a.dtype.kind == "f"
    if choice <= 2 and real:
        return [_UNARY[rng.integers(len(_UNARY))](a)]
    if choice <= 6:
        function = _BINARY[rng.integers(len(_BINARY))]
        if rng.random() < 0.4 and real:
            return [function(a, number) if rng.random() < 0.6 else function(number, a)]
        if a.dtype.kind in "bi" and b.dtype.kind in "bi":
            function = np.multiply
        try:
            np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            return []
        return [function(a, b)]
    if choice == 7 and a.size:
        return [[np.sum, np.mean, np.max, np.min, np.prod][rng.integers(5)](a, axis=axis, keepdims=keepdims)]
    if choice == 8 and real:
        return [np.add.reduce(a, axes, None, None, keepdims)]
    if choice == 9:
        return [np.reshape(a, [(-1,), (a.size, 1), (1, *a.shape)][rng.integers(3)]) if a.size else np.copy(a)]
    if choice == 10 and rank:
        return [np.transpose(a, tuple(int(i) for i in rng.permutation(rank)))]
    if choice == 11:
        return [np.broadcast_to(a, (2, *a.shape))] if rank < 3 else [np.squeeze(a)]
    if choice == 12 and rank and a.shape[0]:
        return [a[0] if keepdims else a[::-1], np.expand_dims(a, 0) if rank < 4 else a]
    if choice == 13 and real:
        return [a.astype(np.float32 if a.dtype == np.float64 else np.float64)]
    if choice == 14 and real:
        return [np.power(a, [2, 3, 1, 2.0, 4][rng.integers(5)])]
    if choice == 15 and real:
        return [np.clip(a, -1, 1), np.where(pool[0].astype(bool) if pool[0].shape == a.shape else True, a, 0)]
    if choice == 16 and real and rank == 2 and a.size:
        k = ["ij,ij->j", "ij,ij->i", "ij,ij->", "ij,kj->ik"][rng.integers(4)]
        return [np.einsum(k, a, a), np.einsum("ij->ji", a), np.matmul(a, np.transpose(a))]
    if choice == 17 and real and a.size > 1:
        return [np.var(a, axis=None, keepdims=keepdims), np.zeros_like(a), np.flip(a)]
    if choice == 18 and rank and a.shape[0] > 1:
        return [*np.split(a, [1], axis=0), np.concatenate([a, a], axis=0)]
    if choice == 19 and real:
        return [a * number * 2.0, np.negative(-a), -(a * 0.5), a / 4]
    return []
