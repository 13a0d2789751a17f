"""Pictures of the graph: variables that bear the name of the program's variable."""

import gc
import weakref

import numpy as np

import autograd_core as ac
import nn
from autograd_core.drawing import draw
from autograd_core.drawing.variables import caller_variables
from test_draw import leaf, texts

scale = ac.Tensor([1.0, 2.0], requires_grad=True)
offset = ac.Tensor([1.0, 2.0], requires_grad=True)


def titles(drawing):
    return {t[0] for t in texts(drawing) if t[-1].endswith("float64")}


class TestWhereTheNameComesFrom:
    def test_local_and_global_variables(self):
        W = leaf(2)
        assert titles(draw(W * scale + offset)) == {"W", "scale", "offset"}

    def test_a_given_name_comes_first(self):
        W = leaf(2, name="weights")
        assert titles(draw(W * 2.0)) == {"weights"}

    def test_a_parameter_by_its_module_path_whoever_holds_it(self):
        net = nn.Sequential(nn.Linear(2, 2, dtype=np.float64))
        w = net[0].weight
        drawing = draw(net(leaf(1, 2)))
        assert "weight" in titles(drawing) and 'tooltip="0.weight' in drawing.source
        assert w.name == "weight"

    def test_a_local_variable_hides_a_global_one(self):
        def product(scale):
            return draw(scale * globals()["scale"])

        assert titles(product(leaf(2))) == {"scale", "x1"}

    def test_several_names_are_none(self):
        W = V = leaf(2)
        assert titles(draw(W * 2.0)) == {"x1"}
        assert V is W

    def test_underscores_do_not_count(self):
        _ = __ = _12 = W = leaf(2)
        assert titles(draw(_ * 2.0)) == {"W"}
        assert __ is _12 is W

    def test_a_name_that_is_taken_is_passed_over(self):
        W, V = leaf(2), leaf(2, name="W")
        assert titles(draw(W * V)) == {"x1", "W"}

    def test_the_output(self):
        loss = np.tanh(leaf(2))
        assert ["loss", "tanh", "(2,)"] in texts(draw(loss))
        assert ["tanh", "(2,)"] in texts(draw(loss * 2.0))

    def test_a_comprehension_and_a_lambda(self):
        outs = [leaf(2) for _ in range(2)]
        assert [titles(draw(w)) for w in outs] == [{"w"}, {"w"}]
        assert titles((lambda v: draw(v))(outs[0])) == {"v"}

    def test_a_class_body_and_a_module(self):
        space = {"draw": draw, "leaf": leaf}
        exec("W = leaf(2)\nd = draw(W * 2.0)\nclass C:\n    V = leaf(2)\n    d = draw(V * W)", space)
        assert titles(space["d"]) == {"W"}
        assert titles(space["C"].d) == {"V", "W"}
        assert "V" in vars(space["C"]) and "W" in space

    def test_constants_have_none(self):
        c = leaf(2, requires_grad=False)
        assert titles(draw(leaf(2) * c)) == {"x1", "c1"}

    def test_a_hostile_variable_cannot_be(self):
        space = {"draw": draw, "leaf": leaf}
        exec("d = None\nlocals()['a\"]; b'] = x = leaf(2)\nd = draw(x * 2.0)", space)
        assert titles(space["d"]) == {"x"}


class TestNoTrace:
    def test_deleted_variables_die(self):
        x = leaf(4)
        y = np.tanh(x)
        node, data = weakref.ref(y._node), weakref.ref(x.data)
        gc.disable()
        try:
            draw(y)
            del x, y
            assert node() is None and data() is None
        finally:
            gc.enable()

    def test_a_dict_that_the_program_asked_for_stays_as_it_is(self):
        W = leaf(2)
        seen = locals()
        draw(W * 2.0)
        assert seen["W"] is W

    def test_what_is_returned_holds_numbers_and_strings(self):
        W = leaf(2)
        names = caller_variables()
        assert names[id(W)] == "W"
        assert all(type(key) is int and type(name) is str for key, name in names.items())

    def test_a_call_from_c_counts_for_the_frame_around_it(self):
        W = leaf(2)
        drawings = list(map(draw, [W * 2.0]))
        assert titles(drawings[0]) == {"W"}
