"""Names as LaTeX: Greek letters, hats and bars, subscripts; anything else upright, with nothing left to interpret."""

from __future__ import annotations

import re

__all__ = ["latex_name", "plain_name"]

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
    "&": r"\&",
    " ": r"\ ",
}
_LONGEST = 40


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
    return rf"\mathrm{{{''.join(_escaped(c) for c in plain_name(name))}}}"


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
