"""Names as LaTeX: Greek letters, hats and bars, subscripts; anything else upright, with nothing left to interpret."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

__all__ = ["Names", "latex_name", "plain_name"]

_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
    ]
)
_SHORT = {"eps": r"\epsilon", "lam": r"\lambda", "ell": r"\ell"}
_ACCENTS = ("hat", "bar", "tilde", "dot")
_ESCAPES = {
    "\\": r"\backslash ",
    "^": r"\hat{\ }",
    "~": r"\sim ",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "#": r"\#",
    "&": "and",  # Matplotlib cannot set \&
    '"': "\u201d",
    "`": "\u2018",
    " ": r"\ ",
}
_LONGEST = 40


class Names:
    """Hands out names, each once.

    Args:
        given: the user's names, which nothing else may get.
    """

    def __init__(self, given: Iterable[str]) -> None:
        self._given = set(map(plain_name, given))
        self._used: set[str] = set()

    def unique(self, name: str) -> str:
        """The user's name, with a number if something else bears it, or looks the same in LaTeX."""
        plain = plain_name(name)
        for i in itertools.count(1):
            candidate = plain if i == 1 else f"{plain}_{i}"
            if i > 1 and candidate in self._given:
                continue
            if not {candidate, latex_name(candidate)} & self._used:
                self._used |= {candidate, latex_name(candidate)}
                return candidate
        raise AssertionError  # the count does not end

    def fresh(self, prefix: str) -> str:
        """An automatic name: x1, x2, ..."""
        return next(n for i in itertools.count(1) if self._free(n := f"{prefix}{i}"))

    def first(self, candidates: str) -> str:
        """The first letter that is free, as the name of one thing only."""
        return next((c for c in candidates if self._free(c)), candidates[0])

    def _free(self, name: str) -> bool:
        if name in self._given or name in self._used:
            return False
        self._used.add(name)
        return True


def latex_name(name: str) -> str:
    """The name as LaTeX: "mu" is a Greek letter, "zhat" has a hat, "W1" and "W_1" a subscript."""
    if re.fullmatch(r"[A-Za-z][A-Za-z]*(?:_?[0-9]+)?(?:_[A-Za-z]+)?", name):
        base, *subscripts = re.findall(r"[A-Za-z]+|[0-9]+", name)
        head = _base(base)
        if head is None and subscripts and subscripts[-1] in _ACCENTS:
            head = None
        accent = subscripts.pop() if subscripts and subscripts[-1] in _ACCENTS else None
        letters = head if head is not None else rf"\mathrm{{{base}}}"
        if accent is not None:
            letters = rf"\{accent}{{{letters}}}"
        below = ",".join(s if s.isdigit() else _base(s) or rf"\mathrm{{{s}}}" for s in subscripts)
        return f"{letters}_{{{below}}}" if below else letters
    shown = plain_name(name)
    return rf"\mathrm{{{''.join(_escaped(c) for c in shown) if shown.strip() else '?'}}}"


def _base(word: str) -> str | None:
    if word in _SHORT:
        return _SHORT[word]
    if word in _GREEK:
        return "\\" + word
    if len(word) == 1:
        return word
    for accent in _ACCENTS:
        inner = _base(word.removesuffix(accent)) if word.endswith(accent) and word != accent else None
        if inner is not None:
            return rf"\{accent}{{{inner}}}"
    return None


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() and (character.isascii() or character.isalpha()) else "?"


def plain_name(name: str) -> str:
    """The name on one line, cut when it is very long."""
    flat = "".join(c if c.isprintable() else " " for c in name)
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
