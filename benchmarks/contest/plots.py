"""Plots as plain SVG: one bar per row with the median, and the spread of its runs."""

from html import escape

from benchmarks.contest import lineup
from benchmarks.contest.results import Result, Row

_WIDTH = 800
_LABELS = 270
_ROW = 26
_TOP = 44
_BAR = 16
_VALUES = 70
_COLOURS = {lineup.OURS: "#c2410c", lineup.LIMIT: "#a8a29e"}
_OTHERS = "#3b6ea5"


def plot(result: Result) -> str:
    """Return an SVG image of the times of all rows, fastest first."""
    rows = sorted((row for row in result.rows if row.good), key=lambda row: row.wall_s)
    longest_s = max(run.wall_s for row in rows for run in row.good)
    room = _WIDTH - _LABELS - _VALUES
    height = _TOP + _ROW * len(rows) + 12
    title = escape(result.workload.title)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{title}: seconds, lower is better</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600" fill="#1c1917">{title}</text>',
    ]
    for index, row in enumerate(rows):
        parts += _bar(row, _TOP + index * _ROW, room / longest_s)
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: Row, top: float, pixels_a_second: float) -> list[str]:
    def x(seconds: float) -> str:
        return f"{_LABELS + seconds * pixels_a_second:.1f}"

    walls = [run.wall_s for run in row.good]
    middle, base = top + _BAR / 2, top + _BAR / 2 + 4.5
    colour = _COLOURS.get(row.family, _OTHERS)
    weight = ' font-weight="600"' if row.family == lineup.OURS else ""
    return [
        f'<text x="{_LABELS - 8}" y="{base}" text-anchor="end" fill="#1c1917"{weight}>'
        f"{escape(row.name)}</text>",
        f'<rect x="{_LABELS}" y="{top}" width="{row.wall_s * pixels_a_second:.1f}"'
        f' height="{_BAR}" fill="{colour}"/>',
        f'<path d="M{x(min(walls))} {middle}H{x(max(walls))}" stroke="#1c1917"/>',
        f'<text x="{float(x(max(walls))) + 6:.1f}" y="{base}" fill="#1c1917">'
        f"{row.wall_s:.2f} s</text>",
    ]
