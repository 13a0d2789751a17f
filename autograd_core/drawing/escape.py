"""Escaping of texts that came from outside, for the three languages between a name and a screen.

A text passes through DOT, then Graphviz's HTML-like labels or its escape strings, then SVG inside
HTML. What leaves this module has no quote, angle bracket, ampersand or backslash of the user's in
it: they are character references, which none of the three can mistake for markup.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Marks that turn the direction of writing: a name holding one would reorder the text around it.
_BIDI = frozenset([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x2028, 0x2029])

_SPECIAL = re.compile(r"""[^ -~]|[&<>"'\\]""")


def plain(text: str) -> str:
    r"""Make every character visible: a line break becomes `\n`, a lone surrogate `\ud800`.

    XML 1.0 has no way to write most control characters, and none belongs into a picture.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    code = ord(char)
    return (
        unicodedata.category(char) in ("Cc", "Cs")
        or code in _BIDI
        or code & 0xFFFE == 0xFFFE
        or 0xFDD0 <= code <= 0xFDEF
    )


def _visible(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


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
