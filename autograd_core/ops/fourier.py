"""`np.fft` on Tensors: the transforms are refused, the two that only move elements are there.

A transform has complex values, and the tape is real: leaves, cotangents, every rule and every check of a derivative
know real numbers only (of a complex cotangent, a rule that is not analytic, such as that of |z|, would have to say
which convention it follows). Real and imaginary part are real matrix products, which each refusal spells out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NoRuleError, where
from ..operator import registry

__all__ = ["fftshift", "ifftshift"]

_MIRRORED = "of a + ib mirrored to a whole spectrum (a[n - k] = a[k], b[n - k] = -b[k]) it is "
_FORMULAS: dict[str, tuple[Any, ...]] = {
    "the real part of the transform of t is t @ np.cos(w), the imaginary part is -t @ np.sin(w)": (
        np.fft.fft,
        np.fft.rfft,
        np.fft.fft2,
        np.fft.fftn,
        np.fft.rfft2,
        np.fft.rfftn,
    ),
    "the real part of the inverse of a + ib is (a @ np.cos(w) - b @ np.sin(w)) / n, the imaginary part is "
    "(a @ np.sin(w) + b @ np.cos(w)) / n": (np.fft.ifft, np.fft.ifft2, np.fft.ifftn),
    _MIRRORED + "(a @ np.cos(w) - b @ np.sin(w)) / n": (np.fft.irfft, np.fft.irfft2, np.fft.irfftn),
    _MIRRORED + "a @ np.cos(w) + b @ np.sin(w)": (np.fft.hfft,),
    "the real part for t is t @ np.cos(w) / n, the imaginary part is t @ np.sin(w) / n": (np.fft.ihfft,),
}


def _refused(function: Any, formula: str) -> None:
    name = function.__name__

    def refuse(a: Any, *args: Any, **kwargs: Any) -> Any:
        raise NoRuleError(
            f"{name}: only functions with real values have a gradient rule here, but those of a Fourier transform are "
            f"complex; got shape {tuple(np.shape(a))}. Write its parts as real products: with w = 2 * np.pi / n * "
            f"np.outer(np.arange(n), np.arange(n)) along each axis, {formula}; a convolution is np.convolve; or pass "
            f"t.detach().numpy(). {where(name)}"
        )

    refuse.__name__ = name
    refuse.__doc__ = f"Refused: `{name}` has complex values.\n\nRaises:\n    NoRuleError: always."
    refuse.refused = True  # type: ignore[attr-defined]  # for tables of what there is
    registry.functions[function] = refuse


for _formula, _functions in _FORMULAS.items():
    for _function in _functions:
        _refused(_function, _formula)


def _shifted(x: Any, axes: Any, inverse: bool) -> Any:
    rank = np.ndim(x)
    axes = tuple(range(rank)) if axes is None else axes if isinstance(axes, tuple | list) else (axes,)
    lengths = [np.shape(x)[i] // 2 if -rank <= i < rank else 0 for i in axes]  # np.roll names an axis out of bounds
    return np.roll(x, tuple(-n if inverse else n for n in lengths), tuple(axes))


@registry.function(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """The elements of the lower half of an axis (all axes by default) behind those of the upper half."""
    return _shifted(x, axes, False)


@registry.function(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return _shifted(x, axes, True)
