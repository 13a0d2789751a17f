"""Gradients in pictures at tensor level, and what a picture says where its numbers are not plain."""

import numpy as np
import pytest

import autograd_core as ac
from autograd_core.drawing import draw
from test_draw import texts


def shown(drawing):
    """By title or symbol the line with the gradient."""
    found = {}
    for first, *lines in texts(drawing):
        for line in lines:
            if line.startswith(("grad", "∂out")):
                found[first] = line.replace("\xa0", " ")
    return found


def net():
    x, c = ac.Tensor([1.0, 2.0], requires_grad=True, name="x"), ac.Tensor([3.0, 4.0], name="c")
    h = ac.tag(x * c, "h")
    return x, ac.tag(ac.tag(np.exp(h + c) * 0.0 + h * h, "e").sum(), "L")


def test_gradients_of_intermediates_are_computed_where_nothing_is_stored():
    with ac.keep_values():
        x, L = net()
    expected = {"x": "∂out [18, 64]", "h": "∂out [6, 16]", "e": "∂out [1, 1]", "L": "∂out 1"}
    for times in range(3):  # before any backward pass, and after one and two
        kept = L._node.parents[0].kept
        drawn = shown(draw(L, grads=True))
        stored = {"x": f"grad [{18 * times}, {64 * times}]"} if times else {}
        assert {key: drawn[key] for key in expected} == expected | stored
        assert L._node.parents[0].kept is kept
        assert (x.grad is None) if not times else (x.grad.data[0] == 18 * times)
        if times < 2:
            L.backward(retain_graph=not times)
    assert "gradient of the output, computed for the picture" in draw(L, grads=True).source
    assert "∂out" not in draw(L, values=True).source


def test_several_outputs_are_summed():
    x = ac.Tensor([1.0, 2.0], requires_grad=True, name="x")
    drawing = draw([x * 2.0, x * x], grads=True)
    assert shown(drawing)["x"] == "∂out [4, 6]"
    assert "gradient of the sum of the outputs&#x27; elements" in drawing.source


def test_a_gradient_that_cannot_be_computed_is_a_question_mark_and_a_note():
    _, L = net()
    L.backward()
    drawing = draw(L, grads=True)
    assert {"x": "grad [18, 64]", "h": "∂out ?", "e": "∂out [1, 1]"}.items() <= shown(drawing).items()
    assert "changed" not in drawing.source
    assert "what it needs is gone; run the forward pass inside keep_values()" in drawing.source


@pytest.mark.parametrize("options", [{"grads": True}, {"level": "scalar"}, {"level": "backward", "values": True}])
def test_hooks_are_said_to_be_left_out(options):
    x = ac.Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 2.0
    assert "hooks" not in draw((y * y).sum(), **options).source
    y.register_hook(lambda g: g * 10.0)
    assert "gradients are without the hooks" in draw((y * y).sum(), **options).source
    w = ac.Tensor(1.0, requires_grad=True, name="w")
    w.register_hook(lambda g: g * 10.0)
    assert "gradients are without the hooks" in draw(w * 2.0, **options).source


def test_a_leaf_that_was_changed_since_is_marked():
    w = ac.Tensor([1.0, 2.0], requires_grad=True, name="w")
    L = np.exp(w).sum()
    assert "changed since" not in draw(L, values=True).source
    L.backward(retain_graph=True)
    w.data = w.data - 0.1 * w.grad.data
    assert next(lines for lines in texts(draw(L, values=True)) if lines[0] == "w")[-1] == "changed since it was used"
    assert "a leaf has been changed since it was used" in draw(L, values=True, grads=True).source


@pytest.mark.parametrize("options", [{"grads": True}, {"level": "scalar"}, {"level": "backward", "values": True}])
def test_the_function_of_a_checkpoint_is_not_run_for_a_picture(options):
    calls = []

    def f(a):
        calls.append(1)
        return np.tanh(a) * a

    x = ac.Tensor([1.0, 2.0], requires_grad=True, name="x")
    L = np.exp(ac.checkpoint(f, x)).sum()
    before = len(calls)
    assert draw(L, **options).source
    assert len(calls) == before


def test_nothing_to_draw_at_level_backward_is_said(capfd):
    drawing = draw(ac.Tensor([1.0]), level="backward")
    assert "nothing here gets a gradient" in drawing.svg
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("level", ["tensor", "scalar", "backward"])
def test_an_empty_name_is_none(level, capfd):
    x = ac.Tensor([1.0, 2.0], requires_grad=True, name="")
    assert draw((x * x).sum(), level=level).svg and ac.influence((x * x).sum(), x).svg
    assert capfd.readouterr().err == ""
