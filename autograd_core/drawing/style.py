"""Colours and forms: one table, so that a picture reads the same at every level.

The hues are those of Okabe and Ito (jfly.uni-koeln.de/color), which keep apart under every common
form of colour blindness; fills are light tints of them. No meaning hangs on colour alone: variables
are boxes with a solid rim, constants boxes with a dashed rim, operations round, outputs doubly
rimmed. The card behind the picture is white and every text has a colour of its own, so it reads on
light and on dark pages.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from autograd_core.drawing.picture import Kind, LineStyle

CARD = "#ffffff"
INK = "#1b1b1b"
MUTED = "#595959"
EDGE = "#6b6b6b"
OUTPUT = "#d55e00"
MODULES = ("#f7f7f5", "#efefec")  # alternating by depth
MODULE_RIM = "#c4c4bd"
REPEATED_RIM = "#6b6b62"

SANS = "Helvetica,Arial,sans-serif"
MONO = "Courier New,monospace"


class Form(NamedTuple):
    """How one kind of vertex looks, and its sample and name in the legend."""

    shape: str
    style: str
    rim: str
    fill: str
    width: str
    size: str
    margin: str
    sample: str = ""
    legend: str = ""

    def attributes(self) -> dict[str, str]:
        """The DOT attributes of a vertex of this form."""
        return {
            "shape": self.shape,
            "style": self.style,
            "color": self.rim,
            "fillcolor": self.fill,
            "penwidth": self.width,
            "width": self.size,
            "height": self.size,
            "margin": self.margin,
        }


_BOX = ("0.5", "0.1,0.05")  # least size in inches, and margin
_ROUND = ("0.42", "0.02,0.01")

FORMS: MappingProxyType[Kind, Form] = MappingProxyType(
    {
        "variable": Form(
            *("box", "filled", "#0072b2", "#dcebf7", "1.8", *_BOX),
            *("x", "variable (gets a gradient)"),
        ),
        "constant": Form(
            *("box", "filled,dashed", "#7a7a7a", "#f6f6f6", "1", *_BOX),
            *("c", "constant"),
        ),
        "number": Form("plaintext", "", "black", "none", "1", "0", "0.05,0.03"),
        "operation": Form(
            *("ellipse", "filled", "#c28500", "#fff4d9", "1", *_ROUND),
            *("×", "operation"),
        ),
        "tagged": Form(
            *("ellipse", "filled", "#009e73", "#d9f2e9", "1.8", *_ROUND),
            *("μ ×", "named operation"),
        ),
        "element": Form(
            *("box", "filled", "#5c5c5c", "#ffffff", "1", *_BOX),
            *("y", "intermediate value"),
        ),
        "gradient": Form(
            *("box", "filled", "#a8447f", "#f9e9f2", "1.8", *_BOX),
            *("∂L/∂x", "gradient"),
        ),
        "rule": Form(
            *("box", "filled,rounded", "#c28500", "#fff4d9", "1", "0.42", "0.1,0.05"),
            *("g · x", "one operation backward (VJP); g is the gradient that arrives"),
        ),
        "sum": Form(
            *("ellipse", "filled", "#009e73", "#d9f2e9", "1.8", *_ROUND),
            *("+ Σ", "sum over paths, over broadcast axes"),
        ),
        "module": Form(
            *("box", "filled,rounded", "#6b6b62", "#efefec", "1.8", "0.5", "0.14,0.08"),
            *("m", "folded module"),
        ),
    }
)

LINES: MappingProxyType[LineStyle, tuple[str, str]] = MappingProxyType(
    {
        "shape": ("9", MUTED),
        "static": ("8", MUTED),
        "value": ("9", "#00573f"),
        "grad": ("9", "#a03b00"),
        "∂out": ("9", "#a03b00"),
    }
)
"""Size and colour of the small texts."""
