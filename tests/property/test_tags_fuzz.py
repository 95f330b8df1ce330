"""Tags around the sound are read for any bytes: no error, little memory, no wait."""

import tracemalloc
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings, strategies as st

from audiostore.media.facts.embedded import order_chapters
from audiostore.media.facts.pictures import choose_artwork
from audiostore.media.facts.tags import unify_tags
from audiostore.media.parsing.reading import BudgetSpentError, Reader
from audiostore.media.parsing.surrounding import read_surrounding_tags
from audiostore.media.parsing.tags import start_of_data
from audiostore.media.parsing.text import MAX_TAG_CHARS, clean
from tests.fuzzing import examples
from tests.timing import few_calls
from tests.unit.test_tags_around import (
    COVER,
    JAZZ_V1,
    TEXT_FRAMES,
    ape,
    apic,
    chapter,
    frame2,
    frame3,
    frame4,
    stuffed,
    syncsafe,
    tag,
)

MAX_CALLS = 1_500_000
MAX_MEMORY_BYTES = 64 << 20
SOUND = b"\xff\xfb\x90\x64" * 20
TEXTS = b"".join(frames for frames, _ in TEXT_FRAMES.values())
PICTURE = apic(COVER)
TAGS = [
    tag(4, TEXTS, chapter(0, 0, "A", frame4(b"APIC", PICTURE)), frame4(b"APIC", PICTURE)),
    tag(3, TEXTS, frame3(b"APIC", PICTURE), frame3(b"CHAP", b"a\0" + bytes(16) + TEXTS)),
    tag(2, frame2(b"TT2", b"\0Title"), frame2(b"PIC", b"\0JPG\3\0" + COVER)),
    tag(3, stuffed(frame3(b"TIT2", b"\0Title") + frame3(b"APIC", PICTURE)), flags=0x80),
    tag(4, syncsafe(6) + b"\1\0", frame4(b"APIC", stuffed(PICTURE), 2), flags=0xC0),
    tag(4, frame4(b"APIC", syncsafe(99) + zlib.compress(PICTURE), 9)),
    ape((b"Title", b"a\0b", 0), (b"Cover Art (Front)", b"x.jpg\0" + COVER, 1)),
    JAZZ_V1,
]


def survives(data: bytes) -> None:
    reader = Reader(BytesIO(data), reads=5_000, total=len(data) + (4 << 20), window=4 << 10)
    try:
        found = read_surrounding_tags(reader, start_of_data(reader))
        tags, _ = unify_tags(*(each.tags for each in found))
        choose_artwork(picture for each in found for picture in each.pictures)
        chapters = order_chapters(found, 60.0)
    except BudgetSpentError:
        return
    assert all(clean(text, MAX_TAG_CHARS) == text for text in (*tags, *tags.values()))
    assert all(0 <= chapter.start_s <= chapter.end_s for chapter in chapters)
    warnings = [each for one in found for each in one.warnings]
    assert all(each.isprintable() and len(each) < 200 for each in warnings)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return tags with wrong bits and numbers, cut, and with parts left out or twice."""
    data = bytearray(draw(st.sampled_from(TAGS)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        near = min(at, draw(st.integers(0, 60)))
        kind = draw(st.sampled_from(["bits", "number", "zeros", "drop", "double"]))
        if kind == "bits" and data:
            data[near] ^= draw(st.integers(1, 255))
        elif kind == "number":
            data[near : near + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\0\0\x7f\x7f"]))
        elif kind == "zeros":
            data[at:at] = bytes(draw(st.integers(1, 500)))
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 300))]
        elif kind == "double":
            data[at:at] = data[:at]
    return bytes(data)


@settings(max_examples=examples(200))
@given(mutated(), mutated(), st.binary(max_size=40))
def test_mutations_of_tags_are_survived(front: bytes, behind: bytes, junk: bytes) -> None:
    survives(front + SOUND + junk + behind)


MIB = 1 << 20
BOMB = zlib.compress(bytes(20 * MIB))
ADVERSARIES = {
    "frames without end": tag(4, frame4(b"TXXX", b"\0a\0b") * 200_000),
    "values without end": tag(4, frame4(b"TPE1", b"\3" + b"a\0" * 5_000) * 300),
    "genres without end": tag(4, frame4(b"TCON", b"\3" + b"(17)" * 4_000) * 300),
    "bombs": tag(4, frame4(b"APIC", syncsafe(99) + BOMB, 9) * 50),
    "bombs of text": tag(4, frame4(b"TIT2", syncsafe(99) + BOMB, 9) * 50),
    "chapters without end": tag(4, chapter(1, 0, "x") * 20_000),
    "chapters in one": tag(4, frame4(b"CHAP", b"a\0" + bytes(16) + chapter(1, 0, "x") * 9_999)),
    "pictures without end": tag(4, frame4(b"APIC", b"\0a\0\3\0" + b"\xff\xd8\xff") * 50_000),
    "all ones": b"ID3\3\0\x80" + syncsafe(2 * MIB) + b"\xff\0" * MIB,
    "an item of 4 GiB": ape((b"Title", b"x", 0)).replace(b"\1\0\0\0\0\0", b"\xff" * 6),
    "items without end": ape(*[(b"ab", b"x\0" * 5, 0)] * 50_000),
    "tags without end": JAZZ_V1 * 5_000,
}  # fmt: skip


@pytest.mark.parametrize("name", ADVERSARIES)
def test_what_was_made_to_waste_time_does_not(name: str) -> None:
    tags = ADVERSARIES[name]
    with few_calls(MAX_CALLS):
        survives(tags + SOUND + (tags if name.startswith(("an", "items", "tags")) else b""))


@pytest.mark.parametrize("name", ["bombs", "bombs of text", "all ones"])
def test_what_was_made_to_fill_memory_does_not(name: str) -> None:
    tracemalloc.start()
    try:
        survives(ADVERSARIES[name] + SOUND)
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY_BYTES
    finally:
        tracemalloc.stop()
