"""Escaping of texts that came from outside, for the three languages between a name and a screen.

A text passes through DOT, then Graphviz's HTML-like labels or its escape strings, then SVG inside
HTML. What leaves this module has no quote, angle bracket, ampersand or backslash of the user's in
it: they are character references, which none of the three can mistake for markup.
"""

from __future__ import annotations

import html
import re

# Marks that turn the direction of writing: a name holding one would reorder the text around it.
_BIDI = frozenset([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x2028, 0x2029])


def _class_of(*codes: int) -> str:
    """The characters as a class of a regular expression."""
    return "".join(f"\\U{code:08x}" for code in codes)


_HIDDEN = re.compile(  # control characters, lone surrogates, marks of direction, and what is no character
    rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_class_of(*sorted(_BIDI))}"
    rf"{_class_of(*(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)))}]"
)
_SPECIAL = re.compile(r"""[^ -~]|[&<>"'\\]""")


def plain(text: str) -> str:
    r"""Make every character visible: a line break becomes `\n`, a lone surrogate `\ud800`.

    XML 1.0 has no way to write most control characters, and none belongs into a picture.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def label(text: str) -> str:
    """`text` for use inside an HTML-like label."""
    # Graphviz reads escapes such as \N (the node's identifier) even in HTML-like labels; a doubled
    # backslash stands for one.
    return _escape(text, "&#92;&#92;")


def tooltip(text: str) -> str:
    """`text` for use inside a tooltip, whose escapes Graphviz reads twice."""
    return _escape(text, "&#92;&#92;&#92;&#92;")


def _escape(text: str, backslash: str) -> str:
    if _SPECIAL.search(text) is None:  # most texts of a large graph
        return text
    return html.escape(plain(text), quote=True).replace("\\", backslash)
