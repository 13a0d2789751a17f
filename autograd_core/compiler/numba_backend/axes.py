"""Which axes of which arrays run together, as products of *atoms*.

An array in C order is a list of atoms, outermost first, whose lengths multiply to its size; axes of length 1 have none.
A reshape leaves this list as it is, at most an atom is split where an axis ends; broadcasting adds atoms; two arrays
that meet in an elementwise call have the same atoms. So "these calls run in one loop nest" is unification.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Atom", "Axes", "Mismatch"]


class Mismatch(Exception):  # noqa: N818 - an answer, not an error
    """The axes do not run together."""


class Atom:
    """A loop index. Once split, or found to be the same as another, it stands for `parts`."""

    __slots__ = ("length", "parts")

    def __init__(self, length: int) -> None:
        self.length = length
        self.parts: list[Atom] | None = None


class Axes:
    """Unification of atoms with the possibility to go back."""

    def __init__(self) -> None:
        self._trail: list[Atom] = []

    def mark(self) -> int:
        """A point to return to with `undo`."""
        return len(self._trail)

    def undo(self, mark: int) -> None:
        """Forgets everything found since then."""
        while len(self._trail) > mark:
            self._trail.pop().parts = None

    def _becomes(self, atom: Atom, parts: list[Atom]) -> None:
        atom.parts = parts
        self._trail.append(atom)

    @staticmethod
    def resolved(atoms: Iterable[Atom]) -> list[Atom]:
        """The list in terms of atoms that stand for themselves."""
        out = []
        stack = list(atoms)[::-1]
        while stack:
            atom = stack.pop()
            if atom.parts is None:
                out.append(atom)
            else:
                stack.extend(reversed(atom.parts))
        return out

    def unify(self, a: Sequence[Atom], b: Sequence[Atom]) -> None:
        """Makes two lists of one total length the same, or raises Mismatch."""
        left, right = self.resolved(a)[::-1], self.resolved(b)[::-1]
        while left and right:
            x, y = left.pop(), right.pop()
            # Either may have been split or identified by an earlier round.
            if x.parts is not None or y.parts is not None:
                left.extend(reversed(self.resolved([x])))
                right.extend(reversed(self.resolved([y])))
                continue
            if x is y:
                continue
            if x.length == y.length:
                self._becomes(y, [x])
                continue
            long, short = (x, y) if x.length > y.length else (y, x)
            if long.length % short.length:
                raise Mismatch
            rest = Atom(long.length // short.length)
            self._becomes(long, [short, rest])
            (left if long is x else right).append(rest)
        if left or right:
            raise Mismatch

    def grouped(self, atoms: Sequence[Atom], shape: Sequence[int]) -> list[list[Atom]]:
        """The atoms of each axis of an array of this shape; Mismatch if an axis ends in one that cannot be split."""
        rest = self.resolved(atoms)[::-1]
        out = []
        for length in shape:
            axis: list[Atom] = []
            left = length
            while left > 1:
                if not rest:
                    raise Mismatch
                atom = rest.pop()
                if left % atom.length == 0:
                    axis.append(atom)
                    left //= atom.length
                elif atom.length % left == 0:
                    first, second = Atom(left), Atom(atom.length // left)
                    self._becomes(atom, [first, second])
                    axis.append(first)
                    rest.append(second)
                    left = 1
                else:
                    raise Mismatch
            out.append(axis)
        if rest:
            raise Mismatch
        return out
