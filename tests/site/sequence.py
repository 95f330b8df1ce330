"""Draws the sequence diagrams of the pages, so that the site needs no script from elsewhere.

It reads the part of Mermaid's language that the pages use; GitHub draws the same text itself.
"""

import re
from dataclasses import dataclass, field
from html import escape
from typing import Final

_PARTICIPANT: Final = re.compile(r"participant (\w+)(?: as (.+))?")
_MESSAGE: Final = re.compile(r"(\w+)(-->>|->>|-x)(\w+): (.+)")
_NOTE: Final = re.compile(r"Note over (\w+)(?:, ?(\w+))?: (.+)")

_CHARACTER_PX: Final = 6.8
"""The width of most characters at 13 px, in sans-serif."""
_ROW_PX: Final = 44
_MARGIN_PX: Final = 16
_LEAST_SCALE: Final = 0.75
"""Where there is less room, as on a phone, the drawing is scrolled, not made smaller still."""
_STYLE: Final = """\
text{font:13px system-ui,sans-serif;fill:currentColor;text-anchor:middle}
.line{stroke:currentColor;fill:none}
.life{stroke:currentColor;stroke-dasharray:3 5;opacity:.35}
.box{stroke:currentColor;fill:currentColor;fill-opacity:.06}
.note{stroke:currentColor;stroke-opacity:.5;fill:#f5c542;fill-opacity:.18}
.head{fill:currentColor;stroke:none}
.answer{stroke-dasharray:5 4}"""


@dataclass(frozen=True, slots=True)
class _Row:
    """A message from one participant to another, or a note that spans them."""

    first: str
    last: str
    text: str
    arrow: str = ""


@dataclass(slots=True)
class _Diagram:
    names: dict[str, str] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)


def svg(source: str) -> str:
    """Return a drawing in the color of the text around it.

    Raises:
        ValueError: the diagram is no sequence diagram, or has a line that is not understood.
    """
    diagram = _read(source)
    centers = _centers(diagram)
    width = max(centers.values()) + max(
        _half(diagram.names[list(diagram.names)[-1]]),
        max((_text_px(row.text) for row in diagram.rows if _is_at_end(row, diagram)), default=0),
    )
    width += _MARGIN_PX
    height = 64 + _ROW_PX * len(diagram.rows) + _MARGIN_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'role="img" aria-label="{escape(_described(diagram))}" style="width:100%;height:auto;'
        f'min-width:{_LEAST_SCALE * width:.0f}px;max-width:{width:.0f}px">',
        f"<style>{_STYLE}</style>",
    ]
    for name, x in centers.items():
        half = _half(diagram.names[name])
        parts.append(
            f'<path class="life" d="M{x:.0f} 48V{height - 8}"/>'
            f'<rect class="box" x="{x - half:.0f}" y="12" width="{2 * half:.0f}" '
            'height="34" rx="5"/>'
            f'<text x="{x:.0f}" y="34">{escape(diagram.names[name])}</text>'
        )
    for number, row in enumerate(diagram.rows):
        parts.append(_drawn(row, centers, 84 + _ROW_PX * number))
    return "".join([*parts, "</svg>"])


def _read(source: str) -> _Diagram:
    head, *lines = [line.strip() for line in source.strip().splitlines()]
    if head != "sequenceDiagram":
        raise ValueError(f"not a sequence diagram: {head!r}")
    diagram = _Diagram()
    for line in filter(None, lines):
        if found := _PARTICIPANT.fullmatch(line):
            diagram.names[found[1]] = found[2] or found[1]
        elif found := _MESSAGE.fullmatch(line):
            diagram.rows.append(_Row(found[1], found[3], found[4], found[2]))
        elif found := _NOTE.fullmatch(line):
            diagram.rows.append(_Row(found[1], found[2] or found[1], found[3]))
        else:
            raise ValueError(f"not understood in a sequence diagram: {line!r}")
    for row in diagram.rows:
        for name in (row.first, row.last):
            if name not in diagram.names:
                raise ValueError(f"no participant {name!r} in a sequence diagram")
    return diagram


def _described(diagram: _Diagram) -> str:
    """Return what the diagram shows, for those who hear it."""
    names = diagram.names
    return "; ".join(
        f"{names[row.first]} to {names[row.last]}: {row.text}" if row.arrow else row.text
        for row in diagram.rows
    )


def _text_px(text: str) -> float:
    return len(text) * _CHARACTER_PX + 12


def _half(name: str) -> float:
    return max(40.0, _text_px(name) / 2 + 6)


def _is_at_end(row: _Row, diagram: _Diagram) -> bool:
    """Say whether the text of a row stands to the right of the last participant."""
    return bool(row.arrow) and row.first == row.last == list(diagram.names)[-1]


def _centers(diagram: _Diagram) -> dict[str, float]:
    """Return where each participant stands: as near as the texts between them let it."""
    order = list(diagram.names)
    centers = {order[0]: _MARGIN_PX + _half(diagram.names[order[0]])}
    alone = [row for row in diagram.rows if row.first == row.last and not row.arrow]
    if alone and alone[0].first == order[0]:
        centers[order[0]] = max(centers[order[0]], _MARGIN_PX + _text_px(alone[0].text) / 2)
    for at, name in enumerate(order[1:], start=1):
        before = order[at - 1]
        x = centers[before] + _half(diagram.names[before]) + _half(diagram.names[name]) + 12
        for row in diagram.rows:
            ends = sorted((order.index(row.first), order.index(row.last)))
            if ends[1] == at and ends[0] < at:
                x = max(x, centers[order[ends[0]]] + _text_px(row.text) + 16)
            if row.arrow and ends == [at - 1, at - 1]:
                x = max(x, centers[before] + _text_px(row.text) + 44)
        centers[name] = x
    return centers


def _drawn(row: _Row, centers: dict[str, float], y: int) -> str:
    first, last = centers[row.first], centers[row.last]
    text = escape(row.text)
    if not row.arrow:
        left = min(first, last) - (_text_px(row.text) / 2 if first == last else 24)
        right = max(first, last) + (_text_px(row.text) / 2 if first == last else 24)
        return (
            f'<rect class="note" x="{left:.0f}" y="{y - 18}" width="{right - left:.0f}" '
            f'height="28" rx="3"/><text x="{(left + right) / 2:.0f}" y="{y + 1}">{text}</text>'
        )
    line = "line answer" if row.arrow == "-->>" else "line"
    if first == last:
        return (
            f'<path class="{line}" d="M{first:.0f} {y - 12}h28v18h-22"/>{_head(first, y + 6, -1)}'
            f'<text x="{first + 36:.0f}" y="{y + 2}" style="text-anchor:start">{text}</text>'
        )
    step = 1 if last > first else -1
    end = _cross(last, y, step) if row.arrow == "-x" else _head(last, y, step)
    return (
        f'<path class="{line}" d="M{first:.0f} {y}H{last - 8 * step:.0f}"/>{end}'
        f'<text x="{(first + last) / 2:.0f}" y="{y - 7}">{text}</text>'
    )


def _head(x: float, y: int, step: int) -> str:
    return f'<path class="head" d="M{x:.0f} {y}l{-9 * step}-5v10z"/>'


def _cross(x: float, y: int, step: int) -> str:
    left = x - 14 * step
    return f'<path class="line" d="M{left - 5:.0f} {y - 5}l10 10m0-10l-10 10"/>'
