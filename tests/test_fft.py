"""`np.fft` on tensors: what is refused, with a real formulation that works; what only moves elements."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core import Tensor
from autograd_core.errors import NoRuleError, ShapeError

N = 6
X = np.random.default_rng(0).normal(size=N)
Y = np.random.default_rng(1).normal(size=N)
W = 2 * np.pi / N * np.outer(np.arange(N), np.arange(N))  # as the messages say
HALF = X[: N // 2 + 1] + 1j * np.array([0, *Y[1 : N // 2], 0])


def mirrored(half):
    return np.concatenate([half.real, half.real[-2:0:-1]]), np.concatenate([half.imag, -half.imag[-2:0:-1]])


TRANSFORMS = sorted(
    name for name in vars(np.fft) if name.endswith(("fft", "fft2", "fftn")) and callable(getattr(np.fft, name))
)


def test_all_transforms_are_here():
    assert len(TRANSFORMS) == 14


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_are_refused_with_a_real_formulation(name):
    t = Tensor(np.outer(X, Y), requires_grad=True)
    with pytest.raises(
        NoRuleError,
        match=rf"^{name}: only functions with real values have a gradient rule here, .* got "
        r"shape \(6, 6\)\. Write its parts as real products: with w = .* along each axis, .*; or pass "
        rf"t\.detach\(\)\.numpy\(\)\. in: {name}, called at test_fft\.py:",
    ):
        getattr(np.fft, name)(t)


def test_the_formula_for_the_transform():
    np.testing.assert_allclose(X @ np.cos(W) - 1j * (X @ np.sin(W)), np.fft.fft(X), atol=1e-13)


def test_the_formula_for_the_inverse():
    real = (X @ np.cos(W) - Y @ np.sin(W)) / N
    imaginary = (X @ np.sin(W) + Y @ np.cos(W)) / N
    np.testing.assert_allclose(real + 1j * imaginary, np.fft.ifft(X + 1j * Y), atol=1e-13)


def test_the_formulas_for_half_a_spectrum():
    a, b = mirrored(HALF)
    np.testing.assert_allclose((a @ np.cos(W) - b @ np.sin(W)) / N, np.fft.irfft(HALF), atol=1e-13)
    np.testing.assert_allclose(a @ np.cos(W) + b @ np.sin(W), np.fft.hfft(HALF), atol=1e-13)
    ihfft = (X @ np.cos(W) + 1j * (X @ np.sin(W))) / N
    np.testing.assert_allclose(ihfft[: N // 2 + 1], np.fft.ihfft(X), atol=1e-13)


def test_a_power_spectrum_by_the_formula_has_its_gradient():
    def spectrum(t):
        return (t @ np.cos(W)) ** 2 + (t @ np.sin(W)) ** 2

    np.testing.assert_allclose(spectrum(X), np.abs(np.fft.fft(X)) ** 2, rtol=1e-12)
    ac.check_grads(spectrum, (X,))


@pytest.mark.parametrize("axes", [None, 0, (1,), (0, -1), [1, 0]], ids=repr)
@pytest.mark.parametrize("shift", [np.fft.fftshift, np.fft.ifftshift])
def test_shifts(shift, axes):
    a = np.random.default_rng(2).normal(size=(3, 4))
    out = shift(Tensor(a, requires_grad=True), axes=axes)
    assert out.requires_grad
    np.testing.assert_array_equal(out.data, shift(a, axes=axes))
    ac.check_grads(lambda x: shift(x, axes=axes), (a,))


@pytest.mark.parametrize("shift", [np.fft.fftshift, np.fft.ifftshift])
def test_an_axis_out_of_bounds(shift):
    with pytest.raises(ShapeError, match=r"^roll: .*axis 2 is out of bounds"):
        shift(Tensor(np.ones((2, 3))), axes=2)


def test_frequencies_take_numbers():
    np.testing.assert_array_equal(np.fft.fftfreq(4, 0.5), [0, 0.5, -1, -0.5])
