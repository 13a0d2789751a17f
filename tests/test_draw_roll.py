"""Pictures of the graph: repetitions that are drawn once."""

import random
import re

import numpy as np
import pytest

import autograd_core as ac
import nn
from autograd_core.drawing import draw
from autograd_core.drawing.folding import fold_steps
from autograd_core.drawing.modules import Modules, homes
from autograd_core.drawing.reading import is_leaf, read
from autograd_core.drawing.rolling import LEAST, SAVED, find_groups
from autograd_core.drawing.structure import structure_of
from autograd_core.node import Node
from test_draw import edges, leaf, parse, texts


class Block(nn.Module):
    def __init__(self, n, act=nn.ReLU):
        self.fc1, self.act, self.fc2 = nn.Linear(n, n), act(), nn.Linear(n, n)

    def forward(self, x):
        return x + self.fc2(self.act(self.fc1(x)))


class Net(nn.Module):
    def __init__(self, blocks):
        self.stem = nn.Linear(3, 4)
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        h = self.stem(x)
        for block in self.blocks:
            h = block(h)
        return self.head(h)


def counts(drawing):
    """The numbers on the frames of repetitions."""
    return [int(n) for n in re.findall(r"<b>× (\d+)</b></font>> tooltip", drawing.source)]


def back(drawing):
    return [line.split("[")[0].split() for line in drawing.source.splitlines() if "constraint=" in line]


def groups(*tensors):
    reading = read(tensors)
    modules = Modules(reading)
    steps = fold_steps(reading, modules, homes(reading, modules.paths), None)
    return [(g.start, g.period, g.count) for g in find_groups(structure_of(reading, modules, steps))], reading


class TestLoops:
    def test_a_loop_is_drawn_once(self):
        x, W = leaf(2, 2), leaf(2, 2, name="W")
        y = x
        for _ in range(20):
            y = np.tanh(y @ W) + x
        drawing = draw([y], roll=True)
        assert counts(drawing) == [20]
        assert sorted(t[:-1] for t in texts(drawing)) == [["@"], ["W"], ["tanh"], ["x"], ["y", "+"]]
        # x enters, W is shared; the sum goes back to the product.
        assert edges(drawing) == [
            *[("v1", "n1"), ("v2", "n1"), ("n1", "n2"), ("n2", "n3"), ("v1", "n3")],
            ("n3", "n1"),
        ]
        assert back(drawing) == [["n3", "->", "n1"]]

    def test_weights_of_each_repetition_are_one_vertex_with_both_ends(self):
        y = leaf(2, 2, name="x")
        for i in range(1, 13):
            y = np.tanh(y @ leaf(2, 2, name=f"W{i}"))
        drawing = draw(y, roll=True)
        assert ["W1 … W12", "(2, 2) float64"] in texts(drawing)
        assert any(t.startswith("W1 … W12\n") and "one for each repetition" in t for t in parse(drawing)[2].values())

    def test_tags_of_a_row_count_as_alike(self):
        y = leaf(2)
        for i in range(6):
            y = ac.tag(np.tanh(y) * 2.0, f"h{i}")
        drawing = draw(y, roll=True)
        assert counts(drawing) == [6]
        assert any(t[0] == "h0 … h5" for t in texts(drawing))

    def test_two_values_carried(self):
        h, c, W = leaf(2), leaf(2), leaf(2)
        for _ in range(5):
            c = c * 0.5 + np.tanh(h)
            h = np.sin(c) * W
        drawing = draw(h, roll=True)
        assert counts(drawing) == [5]
        assert len(back(drawing)) == 2

    def test_the_longest_saving_wins(self):
        y = leaf(2)
        for _ in range(10):
            y = np.exp(np.tanh(np.tanh(np.tanh(np.tanh(y)))))
        assert counts(draw(y, roll=True)) == [10]

    def test_two_loops(self):
        y = leaf(2)
        for _ in range(5):
            y = np.tanh(y) * 2.0
        for _ in range(7):
            y = np.sin(y) + 2.0
        assert counts(draw(y, roll=True)) == [5, 7]

    def test_values_are_not_shown_where_they_differ(self):
        x = ac.Tensor([1.0, 2.0], requires_grad=True, name="x")
        with ac.keep_values():
            y = x * 3.0
            for _ in range(5):
                y = np.tanh(y) * 2.0
        shown = {t[0] for t in texts(draw(y, values=True, roll=True)) if "value" in t[-1]}
        assert shown == {"x", "×"}  # the "×" before the loop; the one in it is titled y


class TestWhatIsNoRepetition:
    def test_two_are_not_rolled_up(self):
        y = leaf(2)
        for _ in range(2):
            y = np.sin(np.cos(np.tanh(np.exp(y))))
        assert counts(draw(y, roll=True)) == []

    @pytest.mark.parametrize(
        "step",
        [
            lambda y, i: np.tanh(y) * float(i),  # another number
            lambda y, i: (np.tanh(y)[i:])[:8] if i < 2 else np.tanh(y)[:: 1 + i % 2],  # other static arguments
            lambda y, i: np.concatenate([np.tanh(y), y]),  # another shape
            lambda y, i: np.tanh(y) if i % 3 == 0 else (np.sin(y) if i % 3 == 1 else np.cos(np.cos(y)) + i),
        ],
    )
    def test_what_differs(self, step):
        y = leaf(16)
        for i in range(6):
            y = step(y, i)
        assert counts(draw(y, roll=True)) == []

    def test_another_dtype(self):
        x = leaf(2)
        y = x
        for dtype in (np.float32, np.float64, np.float32, np.float16, np.float64, np.float32):
            y = np.tanh(y.astype(dtype))
        assert groups(y)[0] == []

    def test_results_that_are_read_elsewhere(self):
        y, seen = leaf(2), []
        for _ in range(6):
            y = np.tanh(y) * 2.0
            seen.append(y)
        assert counts(draw(np.stack(seen), roll=True)) == []
        assert counts(draw([seen[2], y], roll=True)) == []
        assert counts(draw(y, roll=True)) == [6]

    def test_results_of_two_repetitions_before(self):
        a, b, c = leaf(2), leaf(2), leaf(2)
        for _ in range(8):
            a, b = np.tanh(a) * b, a  # reads the value before the last, so two rounds are one block
        assert counts(draw(a, roll=True)) == [4]
        a, b, c = leaf(2), leaf(2), leaf(2)
        for _ in range(8):
            a, b, c = np.tanh(a) * c, a, b
        assert counts(draw(a, roll=True)) == []

    def test_an_array_in_a_static_argument(self):
        y = leaf(4)
        for i in range(6):
            y = np.tanh(y)[np.array([0, 1, 2, i % 4])]
        assert counts(draw(y, roll=True)) == []
        y = leaf(4)
        for _ in range(6):
            y = np.tanh(y)[np.array([0, 1, 2, 2])]
        assert counts(draw(y, roll=True)) == [6]


class TestModules:
    def test_a_residual_network(self):
        drawing = draw(Net([Block(4) for _ in range(12)])(leaf(2, 3)))
        assert counts(drawing) == [12]
        assert "blocks.0 … blocks.11: Block" in drawing.source
        assert len(texts(drawing)) == 1 + 4 + (4 + 6) + 4

    def test_the_block_that_differs(self):
        blocks = [Block(4) for _ in range(12)]
        blocks[5] = Block(4, nn.Tanh)
        drawing = draw(Net(blocks)(leaf(2, 3)))
        assert counts(drawing) == [5, 6]
        assert "blocks.0 … blocks.4: Block" in drawing.source
        assert "blocks.6 … blocks.11: Block" in drawing.source

    def test_repetitions_of_several_modules(self):
        net = nn.Sequential(*[m for _ in range(10) for m in (nn.Linear(3, 3), nn.Tanh())])
        drawing = draw(net(leaf(2, 3)), roll=True)
        assert counts(drawing) == [10]
        assert "0: Linear" in drawing.source and "1: Tanh" in drawing.source
        assert "weight" in [t[0] for t in texts(drawing)]

    def test_a_module_that_is_called_in_a_loop_shares_its_weights(self):
        cell = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
        h = leaf(2, 3)
        for _ in range(9):
            h = cell(h)
        drawing = draw(h, roll=True)
        assert counts(drawing) == [9]
        assert sum(t[0] == "weight" for t in texts(drawing)) == 1

    def test_a_recurrent_network(self):
        class Net(nn.Module):
            def __init__(self):
                self.i, self.h = nn.Linear(3, 4, dtype=np.float64), nn.Linear(4, 4, dtype=np.float64)

            def forward(self, xs):
                h = ac.Tensor(np.zeros((2, 4)))
                for x in xs:
                    h = np.tanh(self.i(x) + self.h(h))
                return h

        inputs = [leaf(2, 3, name=f"x{i}") for i in range(15)]
        out = Net()(inputs)
        drawing = draw(out, roll=True)
        assert counts(drawing) == [15]
        drawn = texts(drawing)
        assert [t[0] for t in drawn if t[-1] == "the same each time"] == ["weight", "bias"] * 2
        assert ["x0 … x14", "(2, 3) float64"] in drawn
        assert drawing.source.count("subgraph") == 3
        folded = draw(out, roll=True, fold=0)
        assert counts(folded) == [15]
        assert {t[0] for t in texts(folded)} == {"x0 … x14", "c1", "i", "h", "+", "out"}

    def test_folded_blocks_are_one_box_with_the_count(self):
        drawing = draw(Net([Block(4) for _ in range(12)])(leaf(2, 3)), fold=0, roll=True)
        boxes = [t for t in texts(drawing) if len(t) == 4]
        assert [t[:2] for t in boxes] == [
            ["stem", "Linear"],
            ["blocks.0 … blocks.11", "Block × 12"],
            ["head", "Linear"],
        ]
        assert edges(drawing) == [("v1", "m1"), ("m1", "m3"), ("m3", "m75")]

    def test_classes_must_be_the_same(self):
        class Squash(nn.Tanh):
            pass

        net = nn.Sequential(*[(Squash if i % 2 else nn.Tanh)() for i in range(12)])
        assert groups(net(leaf(2)))[0] == [(0, 2, 6)]


class TestWhen:
    def test_small_pictures_are_drawn_in_full_unless_asked(self):
        y = leaf(2)
        for _ in range(20):
            y = np.tanh(y)
        assert counts(draw(y)) == []
        assert counts(draw(y, roll=True)) == [20]

    def test_large_pictures_are_rolled_up_unless_asked(self):
        y = leaf(2)
        for _ in range(120):
            y = np.tanh(y)
        assert counts(draw(y)) == [120]
        assert counts(draw(y, roll=False)) == []
        assert counts(draw(y, values=True)) == []
        assert counts(draw(y, grads=True)) == []

    def test_the_legend_explains_the_count(self):
        y = leaf(2)
        for _ in range(20):
            y = np.tanh(y) * y
        assert "repeated n times, drawn once" in draw(y, roll=True).source
        assert "repeated n times" not in draw(y).source


class TestAgainstTheDefinition:
    """Random programs, their repetitions checked one operand at a time."""

    def program(self, seed):
        pick = random.Random(seed)
        x, y, shared = leaf(2), leaf(2), leaf(2)
        values = [x, y]
        while len(values) < 60:
            body = [pick.randrange(7) for _ in range(pick.randint(1, 4))]
            back_by = [pick.randint(1, 3) for _ in body]
            for _ in range(pick.randint(1, 8)):
                for op, distance in zip(body, back_by, strict=True):
                    a, b = values[-1], values[-min(distance, len(values))]
                    values.append(
                        [
                            lambda a, b: np.tanh(a),
                            lambda a, b: a * b,
                            lambda a, b: a + shared,
                            lambda a, b: a * leaf(2),
                            lambda a, b: b * 2.0,
                            lambda a, b: np.sin(b),
                            lambda a, b: a + x,
                        ][op](a, b)
                    )
        return values[-1]

    @pytest.mark.parametrize("seed", range(60))
    def test_random_programs(self, seed):
        with np.errstate(all="ignore"):
            out = self.program(seed)
        found, reading = groups(out)
        place = {id(node): i for i, node in enumerate(reading.nodes)}
        readers = {i: [] for i in place.values()}
        for i, operands in enumerate(reading.operands):
            for operand in operands:
                if isinstance(operand, Node):
                    readers[place[id(operand)]].append(i)
        end = 0
        for start, period, count in found:
            stop = start + period * count
            assert start >= end and count >= LEAST and (count - 1) * period >= SAVED
            end = stop
            for step in range(start + period, stop):
                block = start + (step - start) // period * period
                one, two = (reading.nodes[i] for i in (step - period, step))
                assert (one.op, one.shape, one.dtype, one.statics) == (two.op, two.shape, two.dtype, two.statics)
                pairs = zip(reading.operands[step - period], reading.operands[step], strict=True)
                for before, operand in pairs:
                    if isinstance(operand, Node):
                        there = place[id(operand)]
                        if there < start:
                            assert before is operand
                        elif block == start + period and there < block:  # what the first block reads instead
                            assert is_leaf(before) or (isinstance(before, Node) and place[id(before)] < start)
                            assert before.shape == operand.shape
                        else:
                            assert place[id(before)] == there - period >= block - 2 * period
                    elif is_leaf(operand):
                        assert is_leaf(before)
                        uses = [i for i, seen in enumerate(reading.operands) if any(o is operand for o in seen)]
                        assert before is operand or min(uses) >= block
                    else:
                        assert before == operand
            for step in range(start, stop - period):
                last = start + ((step - start) // period + 2) * period
                assert all(reader < last for reader in readers[step])
            assert place[id(reading.outputs[0])] not in range(start, stop - period)

    def test_they_do_have_repetitions(self):
        with np.errstate(all="ignore"):
            assert sum(len(groups(self.program(seed))[0]) for seed in range(60)) > 60
