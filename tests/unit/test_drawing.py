"""Drawings of waveforms, as readers of their formats see them."""

import re
from io import BytesIO
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from audiostore.analysis import Waveform, to_blocks, to_png, to_svg

RAMP = Waveform(
    48_000,
    256,
    bytes((256 - level) % 256 for level in range(128)),
    bytes(range(128)),
)
"""It gets louder from silence to full scale."""
SHORT = Waveform(48_000, 256, b"\xc0", b"\x40")
NONE = Waveform(48_000, 256, b"", b"")


def heights(image: Image.Image) -> list[int]:
    alpha = image.convert("RGBA").getchannel("A")
    columns = [alpha.crop((x, 0, x + 1, alpha.height)) for x in range(alpha.width)]
    return [sum(pixel > 0 for pixel in column.tobytes()) for column in columns]


def test_a_png_shows_the_samples() -> None:
    with Image.open(BytesIO(to_png(RAMP))) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1200, 256))
        found = heights(image)
    assert found[0] == 1
    assert found == sorted(found)
    assert found[-1] == 255
    assert found[600] == pytest.approx(128, abs=3)


@pytest.mark.parametrize(("waveform", "height"), [(SHORT, 129), (NONE, 0)])
def test_little_sound_fills_a_png(waveform: Waveform, height: int) -> None:
    with Image.open(BytesIO(to_png(waveform))) as image:
        assert set(heights(image)) == {height}


def test_a_svg_is_the_outline_of_the_samples() -> None:
    root = ET.fromstring(to_svg(RAMP))
    assert root.get("viewBox") == "0 0 1200 256"
    [path] = root
    numbers = [float(n) for n in re.findall(r"[0-9.]+", path.get("d") or "")]
    corners = list(zip(numbers[0::2], numbers[1::2], strict=True))
    assert len(corners) == 2400
    assert all(0 <= y <= 256 for _, y in corners)
    ends = [corners[index] for index in (0, 1199, 1200)]
    assert ends == [(0, 127), (1199, 1), (1199, 255)]
    assert 'd=""' in to_svg(NONE)


def test_blocks_fill_their_lines_with_the_highest_bar() -> None:
    bars = [0, 1, 20, 40]
    assert to_blocks(bars, 80, rows=1) == [" ▁▄█"]
    assert to_blocks(bars, 80) == ["   █", " ▁██"]
    assert to_blocks([0] * 200, 10, rows=1) == [" " * 10]
    assert to_blocks(range(64), 8, rows=1) == ["▁▁▂▃▅▆▇█"]


def test_blocks_never_exceed_the_columns() -> None:
    for columns in (1, 7, 79, 200, 500):
        lines = to_blocks(list(range(50)) * 4, columns)
        assert {len(line) for line in lines} == {min(columns, 200)}
