"""A step-through of a computation: one SVG, forward and then backward, one operation a frame.

Graphviz lays the picture out once. What changes from frame to frame is style only: CSS keyframes that switch at the
beginning of each frame, addressed to the elements by id. There is no script. Without animation (a printer, an image
viewer, a reader who asked for reduced motion) the same file is the whole picture.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Sequence

from autograd_core.drawing import escape, style
from autograd_core.drawing.picture import Picture
from autograd_core.drawing.steps import Step, steps

__all__ = ["animated", "frames"]

_FORWARD = style.OUTPUT
_BACK = style.FORMS["gradient"].rim
_VALUE, _GRADIENT = style.LINES["value"][1], style.LINES["grad"][1]
_BAND = 30  # points above the picture, for the caption
_FAINT = "0.2"

_GROUP = re.compile(r'<g id="([^"<>]+)" class="(node|edge)">\s*<title>([^<]*)</title>')
_PATH = re.compile(r'<path\b[^<>]*?\bd="([^"<>]*)"')
_SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"\s*viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"')
_OUTLINE = re.compile(r"<(?:polygon|ellipse|path)\b[^<>]*>")
_SHAPE = ":is(polygon,ellipse,path):first-of-type"


class _Scene:
    """A laid out picture, and for every selector its style in each frame."""

    def __init__(self, svg: str, picture: Picture) -> None:
        still = Step("", False, frozenset())  # before the first step, and the whole picture after the last
        self.steps = [still, *steps(picture), still]
        self.picture = picture
        self.svg = svg
        self.nodes: dict[str, str] = {}
        self.places: dict[str, int] = {}  # by id
        self.edges: dict[int, str] = {}
        self.paths: dict[int, str] = {}
        self._find()
        self.styles: dict[str, list[str]] = {}
        self._edges()
        self._vertices()

    def _find(self) -> None:
        """The ids of vertices and arrows, and the arrows' lines."""
        waiting: dict[str, list[int]] = {}
        for number, edge in reversed(list(enumerate(self.picture.edges))):
            waiting.setdefault(f"{edge.tail}->{edge.head}", []).append(number)
        for found in _GROUP.finditer(self.svg):
            name = html.unescape(found[3])
            self.places[found[1]] = found.end()
            if found[2] == "node":
                self.nodes[name] = found[1]
            elif waiting.get(name):  # several arrows between two vertices come in the order of the DOT text
                number = waiting[name].pop()
                self.edges[number] = found[1]
                line = _PATH.search(self._content(found[1]))
                self.paths[number] = line[1] if line else ""

    def _content(self, name: str) -> str:
        start = self.places[name]
        return self.svg[start : self.svg.index("</g>", start)]

    def _set(self, selector: str, styles: Sequence[str], own: str) -> None:
        """The styles of a selector by frame; "" is the picture's own.

        A keyframe must say all properties: one that it leaves out would be taken from the keyframes around it.
        """
        if any(styles):
            self.styles[selector] = [text or own for text in styles]

    def _outline(self, name: str) -> str:
        """The style of a vertex' own rim, "" if it has none."""
        found = _OUTLINE.search(self._content(name))
        if found is None:
            return ""
        given = dict(re.findall(r'(stroke[a-z-]*)="([^"<>]*)"', found[0]))
        width, dashes = given.get("stroke-width", "1"), given.get("stroke-dasharray", "none")
        return f"stroke:{given.get('stroke', 'none')};stroke-width:{width}px;stroke-dasharray:{dashes}"

    def _edges(self) -> None:
        back = next((i for i, step in enumerate(self.steps) if step.back), len(self.steps))
        one_way = back == 1
        made: dict[int, int] = {}
        for place, step in enumerate(self.steps):
            for number in step.edges:
                made.setdefault(number, place)
        thin = f"stroke:{style.EDGE};stroke-width:1px;opacity:"
        own, faded = f"{thin}1", f"{thin}0.25"  # the flow is drawn above the faded arrow
        tip = f"stroke:{style.EDGE};fill:{style.EDGE};opacity:"
        active = [frozenset() if step.back and not one_way else step.edges for step in self.steps]
        for number, name in self.edges.items():
            first = made.get(number, 0)
            hue = _BACK if one_way else _FORWARD
            line: list[str] = []
            head: list[str] = []
            whole: list[str] = []
            for place, step in enumerate(self.steps):
                on = number in active[place]
                reverse = step.back and not one_way and number in step.edges
                line.append(f"stroke:{hue};stroke-width:2.4px;opacity:1" if on else faded if reverse else "")
                head.append(f"stroke:{hue};fill:{hue};opacity:1" if on else f"{tip}0" if reverse else "")
                whole.append(f"opacity:{_FAINT}" if place < first else "")
            self._set(f"{name} path", line, own)
            self._set(f"{name} polygon", head, f"{tip}1")
            self._set(name, whole, "opacity:1")
            flow = ["opacity:1" if s.back and not one_way and number in s.edges else "" for s in self.steps]
            self._set(f"flow{number}", flow, "opacity:0")

    def _vertices(self) -> None:
        two_way = any(step.back for step in self.steps) and not self.steps[1].back
        made: dict[str, int] = {}
        complete: dict[str, int] = {}
        for place, step in enumerate(self.steps):
            for key in step.heads:
                made.setdefault(key, place)
            for key in step.complete:
                complete.setdefault(key, place)
        last = len(self.steps) - 1
        for key, name in self.nodes.items():
            first = made.get(key, 0)
            known = complete.get(key, last) if two_way else first
            frame: list[str] = []
            rim: list[str] = []
            values: list[str] = []
            gradients: list[str] = []
            for place, step in enumerate(self.steps):
                hue = _BACK if step.back else _FORWARD
                wide = "4.5px" if key in step.heads else "3px" if key in step.tails else ""
                rim.append(f"stroke:{hue};stroke-width:{wide};stroke-dasharray:none" if wide else "")
                frame.append(f"opacity:{_FAINT}" if place < first else "")
                values.append("opacity:0" if place < first else "")
                gradients.append("opacity:0" if place < known else "")
            self._set(name, frame, "opacity:1")
            outline = self._outline(name)
            if outline:
                self._set(f"{name} {_SHAPE}", rim, outline)
            for colour, shown in ((_VALUE, values), (_GRADIENT, gradients)):
                if f'fill="{colour}"' in self._content(name):
                    self._set(f'{name} text[fill="{colour}"]', shown, "opacity:1")
        for place in range(1, last):
            self._set(f"caption{place}", ["opacity:1" if place == i else "" for i in range(last + 1)], "opacity:0")

    def written(self, prefix: str, css: str) -> str:
        """The SVG with room for captions, the overlays of gradients that flow back, and a style sheet.

        Args:
            prefix: of all ids, so that those of two pictures in one page differ.
            css: the style sheet, for ids with this prefix.
        """
        svg = re.sub(r'(<[a-z][^<>]*?\bid=")', rf"\g<1>{prefix}-", self.svg)
        opening = svg[: svg.index(">") + 1]
        width, height, wide, high = map(float, _SIZE.search(opening).groups())  # type: ignore[union-attr]
        size = (
            f'width="{width:g}pt" height="{height + _BAND * height / high:g}pt"'
            f' viewBox="0 {-_BAND} {wide:g} {high + _BAND:g}"'
        )
        root = _SIZE.sub(size, opening).replace("<svg ", f'<svg id="{prefix}" ', 1)
        captions = "".join(
            f'<text id="{prefix}-caption{i}" x="14" y="-9" opacity="0" font-family="{style.SANS}" font-size="13"'
            f' font-weight="bold" fill="{_BACK if step.back else _FORWARD}">'
            f"{html.escape(escape.plain(step.title))}</text>\n"
            for i, step in enumerate(self.steps)
            if step.title
        )
        # An arrow's own tip points to its head; a gradient flows to its tail.
        tip = (
            f'<defs><marker id="{prefix}-tip" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" refX="0"'
            f' refY="5" orient="auto"><path fill="{_BACK}" d="M0,5L9,1.5L9,8.5z"/></marker></defs>\n'
        )
        flows = "".join(
            f'<path id="{prefix}-flow{number}" class="{prefix}-flow" opacity="0" fill="none" stroke="{_BACK}"'
            f' stroke-width="2.4" stroke-dasharray="6,4" marker-start="url(#{prefix}-tip)" d="{self.paths[number]}"/>\n'
            for number in self.edges
            if f"flow{number}" in self.styles
        )
        card = f'<rect x="0" y="{-_BAND}" width="{wide:g}" height="{high + _BAND:g}" fill="{style.CARD}"/>\n'
        body = svg[len(opening) :]
        end = body.rindex("</g>")
        return f"{root}\n<style>\n{css}</style>\n{tip}{card}{captions}{body[:end]}{flows}{body[end:]}"


def animated(svg: str, picture: Picture, seconds: float, loop: bool) -> str:
    """The picture as one SVG that steps through the computation.

    Args:
        svg: the picture as Graphviz laid it out.
        picture: the same as text.
        seconds: per frame.
        loop: begin again after the last frame; otherwise the whole picture stays.
    """
    scene = _Scene(svg, picture)
    prefix = _prefix(svg, f"{seconds!r} {loop}")
    count = len(scene.steps)
    rules: dict[tuple[str, ...], list[str]] = {}
    for selector, styles in scene.styles.items():
        rules.setdefault(tuple(styles), []).append(f"#{prefix}-{selector}")
    times = f"{seconds * count:g}s step-end {'infinite' if loop else '1 forwards'}"
    css = []
    for number, (changes, selectors) in enumerate(rules.items()):
        name = f"{prefix}-{number}"
        css.append(f"@keyframes {name}{{{_keyframes(changes)}}}")
        own = [s for s in selectors if f"#{prefix}-flow" not in s]
        if own:
            css.append(f"{','.join(own)}{{animation:{name} {times}}}")
        flows = [s for s in selectors if f"#{prefix}-flow" in s]
        if flows:
            css.append(f"{','.join(flows)}{{animation:{name} {times},{prefix}-run .7s linear infinite}}")
    css.append(f"@keyframes {prefix}-run{{to{{stroke-dashoffset:10px}}}}")
    lines = "\n".join(css)
    return scene.written(prefix, f"@media (prefers-reduced-motion:no-preference){{\n{lines}\n}}\n")


def frames(svg: str, picture: Picture) -> list[str]:
    """The frames one by one, each as an SVG that does not move; arguments as of `animated`."""
    scene = _Scene(svg, picture)
    pages = []
    for place in range(len(scene.steps)):
        prefix = _prefix(svg, f"frame {place}")
        rules = {f"#{prefix}-{selector}": styles[place] for selector, styles in scene.styles.items()}
        css = "".join(f"{selector}{{{text}}}\n" for selector, text in rules.items() if text)
        pages.append(scene.written(prefix, css))
    return pages


def _prefix(svg: str, variant: str) -> str:
    return "ac" + hashlib.sha256(f"{variant}\n{svg}".encode()).hexdigest()[:10]


def _keyframes(styles: Sequence[str]) -> str:
    """One keyframe where the style changes. After the last, the style is the picture's own."""
    changes = [i for i, text in enumerate(styles) if not i or text != styles[i - 1]]
    return "".join(f"{100 * i / len(styles):.5g}%{{{styles[i]}}}" for i in changes)
