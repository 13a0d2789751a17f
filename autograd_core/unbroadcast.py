"""Un-broadcasting: the sum of a cotangent over the axes along which an operand was broadcast.

This is the one place for it. A rule such as `-g * out / b` is run on a `Product`, an array-like that only collects
factors; then the sum is one contraction of the factors that vary along the summed axes, and everything else (signs,
scales, factors of the small shape) is applied to the small result. On batch norm this saves a third of the memory
traffic of forming the product and summing it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Product", "sum_to", "unbroadcast"]

_LABELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Product:
    """A product that has not been formed: scale * (product of factors) / (product of divisors)."""

    __slots__ = ("divisors", "factors", "scale")

    def __init__(self, factors: tuple[Any, ...], divisors: tuple[Any, ...] = (), scale: Any = 1) -> None:
        self.factors = factors
        self.divisors = divisors
        self.scale = scale

    def __mul__(self, other: Any) -> Product:
        if isinstance(other, int | float):
            return Product(self.factors, self.divisors, self.scale * other)
        if isinstance(other, Product):
            return Product(self.factors + other.factors, self.divisors + other.divisors, self.scale * other.scale)
        return Product((*self.factors, other), self.divisors, self.scale)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, int | float):
            return Product(self.factors, self.divisors, self.scale / other)
        if isinstance(other, Product):
            return self / other.formed()
        return Product(self.factors, (*self.divisors, other), self.scale)

    def __neg__(self) -> Product:
        return Product(self.factors, self.divisors, -self.scale)

    def formed(self) -> Any:
        """The product as an array."""
        out = self.factors[0]
        for factor in self.factors[1:]:
            out = out * factor
        for divisor in self.divisors:
            out = out / divisor
        return out if self.scale == 1 else -out if self.scale == -1 else out * self.scale

    # Whatever else a rule does with a cotangent, it does with the array.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            if ufunc is np.multiply:
                a, b = inputs
                return a * b if isinstance(a, Product) else b * a
            if ufunc is np.true_divide and isinstance(inputs[0], Product):
                return inputs[0] / inputs[1]
            if ufunc is np.negative:
                return -self
        return getattr(ufunc, method)(*map(form, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*map(form, args), **{k: form(v) for k, v in kwargs.items()})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.formed(), name)

    def __add__(self, other: Any) -> Any:
        return self.formed() + form(other)

    def __radd__(self, other: Any) -> Any:
        return other + self.formed()

    def __sub__(self, other: Any) -> Any:
        return self.formed() - form(other)

    def __rsub__(self, other: Any) -> Any:
        return other - self.formed()

    def __pow__(self, other: Any) -> Any:
        return self.formed() ** other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.formed()

    def __getitem__(self, index: Any) -> Any:
        return self.formed()[index]


def form(x: Any) -> Any:
    """`x`, with the product formed if it is one; lists and tuples are searched."""
    if isinstance(x, Product):
        return x.formed()
    if type(x) in (list, tuple):
        return type(x)(form(i) for i in x)
    return x


def unbroadcast(gradient: Any, full: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """A cotangent of shape `full` (or one that stands for its broadcast) summed to the operand's shape `target`.

    Args:
        gradient: a `Product` or an array whose shape broadcasts to `full`.
        full: the shape of the operator's output.
        target: the operand's shape; it broadcasts to `full`.
    """
    if not isinstance(gradient, Product):
        return sum_to(gradient, full, target)
    axes = _summed_axes(full, target)
    rank = len(full)
    inner = [f for f in gradient.factors if _varies(f, rank, axes)]
    outer = [f for f in gradient.factors if not _varies(f, rank, axes)]
    if any(_varies(d, rank, axes) for d in gradient.divisors):
        inner = [Product(tuple(inner) or (outer.pop(0),), gradient.divisors).formed()]
        divisors: tuple[Any, ...] = ()
    else:
        divisors = gradient.divisors
    while len(inner) > 2:
        inner[:2] = [inner[0] * inner[1]]
    if len(inner) == 2 and rank <= len(_LABELS):
        total = _contract(inner[0], inner[1], full, axes, target)
    elif inner:
        total = sum_to(inner[0], full, target)
    else:
        total, *outer = outer
        total = sum_to(total, full, target)
    if outer or divisors or gradient.scale != 1:
        small = tuple(_squeeze_to(f, len(target)) for f in outer)
        total = Product((total, *small), tuple(_squeeze_to(d, len(target)) for d in divisors), gradient.scale).formed()
    return total


def _summed_axes(full: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    lead = len(full) - len(target)
    return (*range(lead), *(lead + i for i, n in enumerate(target) if n == 1 and full[lead + i] != 1))


def _varies(factor: Any, rank: int, axes: tuple[int, ...]) -> bool:
    """Whether a factor has more than one element along a summed axis."""
    shape = factor.shape
    lead = rank - len(shape)
    return any(axis >= lead and shape[axis - lead] != 1 for axis in axes)


def _squeeze_to(factor: Any, rank: int) -> Any:
    """A factor of ones along the summed leading axes, without them."""
    shape = factor.shape
    return np.reshape(factor, shape[len(shape) - rank :]) if len(shape) > rank else factor


def _contract(a: Any, b: Any, full: tuple[int, ...], axes: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """The sum of a * b over the axes, without forming a * b."""
    rank = len(full)
    # An axis along which neither factor varies only multiplies the sum by its length.
    count = 1
    for axis in axes:
        if not (_varies(a, rank, (axis,)) or _varies(b, rank, (axis,))):
            count *= full[axis]
    left = _LABELS[rank - len(a.shape) : rank]
    right = _LABELS[rank - len(b.shape) : rank]
    present = set(left) | set(right)
    kept = [i for i in range(rank) if i not in axes and _LABELS[i] in present]
    total = np.einsum(f"{left},{right}->{''.join(_LABELS[i] for i in kept)}", a, b)
    if count != 1:
        total = total * count
    lead = rank - len(target)
    sizes = dict(zip((_LABELS[i] for i in kept), total.shape, strict=True))
    shape = tuple(sizes.get(_LABELS[lead + i], 1) for i in range(len(target)))
    return total if total.shape == shape else np.reshape(total, shape)


def sum_to(gradient: Any, full: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """A cotangent summed from `full` to `target`; axes along which it does not vary are multiplied, not expanded."""
    axes = _summed_axes(full, target)
    if not axes:
        return gradient
    shape = gradient.shape
    missing = len(full) - len(shape)
    count = 1
    own: list[int] = []
    for axis in axes:
        if axis < missing or shape[axis - missing] == 1:
            count *= full[axis]
        else:
            own.append(axis - missing)
    total = np.sum(gradient, axis=tuple(own), keepdims=True) if own else gradient
    if len(total.shape) > len(target):
        total = np.reshape(total, total.shape[len(total.shape) - len(target) :])
    return total if count == 1 else total * count
