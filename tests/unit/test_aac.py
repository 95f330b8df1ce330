"""ADTS by its bytes: no header counts its frames, so all of them are counted."""

from io import BytesIO

import pytest

from audiostore.media.kinds import Measured, Stated
from audiostore.media.parsing.reading import Reader
from audiostore.media.recognition import recognise
from audiostore.media.structure import check_structure
from tests.audio_samples import ID3V1, ape, id3

RATES_HZ = {3: 48_000, 4: 44_100, 7: 22_050, 11: 8000}
JUNK = bytes(range(1, 255)) * 40


def frame(size: int = 300, *, rate: int = 4, blocks: int = 1, checksum: bool = False) -> bytes:
    """Return a frame of AAC LC, stereo."""
    head = (
        *(0xFF, 0xF0 if checksum else 0xF1, 1 << 6 | rate << 2, 2 << 6 | size >> 11),
        *(size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC | blocks - 1),
    )
    return bytes(head).ljust(size, b"\x5a")


def looked_at(data: bytes) -> Measured | str:
    """Return what is known of a file; why it is refused."""
    stream = BytesIO(data)
    found = recognise(stream)
    assert found is not None
    assert found.format.name == "AAC"
    try:
        check_structure(stream, found, len(data))
    except ValueError as error:
        return str(error).removeprefix("the file ")
    reader = Reader(stream, reads=1000, total=(1 << 20) + len(data), window=4096)
    assert found.format.measure is not None
    measured = found.format.measure(Stated(0.0, "aac", b"", reader, found.offset))
    assert measured is not None
    return measured


def lasts(data: bytes, seconds: float, *warnings: str) -> None:
    """Check that a file is accepted with this duration."""
    measured = looked_at(data)
    assert isinstance(measured, Measured), measured
    assert measured.seconds == pytest.approx(seconds)
    assert measured.is_exact
    assert measured.warnings == warnings


@pytest.mark.parametrize("rate", RATES_HZ)
@pytest.mark.parametrize("checksum", [False, True])
def test_frames_of_any_length_are_counted(rate: int, checksum: bool) -> None:
    sizes = (9, 10, 255, 256, 300, 2047, 2048, 8191)
    data = b"".join(frame(size, rate=rate, checksum=checksum) * 30 for size in sizes)
    lasts(data, 30 * len(sizes) * 1024 / RATES_HZ[rate])


def test_blocks_and_other_rates_and_checksums_are_counted() -> None:
    data = frame(blocks=4) * 10 + frame(rate=3) * 10 + frame(checksum=True) * 5 + frame(20) * 5
    lasts(data, (40 + 5 + 5) * 1024 / 44_100 + 10 * 1024 / 48_000)
    lasts(frame(blocks=3) * 4 + id3(9000), 12 * 1024 / 44_100)


@pytest.mark.parametrize(
    ("data", "frames", "warning"),
    [
        (frame() * 50 + id3(70_000) + frame() * 50 + ID3V1, 100, ()),
        (bytes(90) + frame() * 50 + bytes(70_000), 50, ()),
        (frame() * 50 + ape(70_000), 50, ()),
        (frame() * 50 + id3(70_000), 50, ()),
        (bytes(70_000) + frame() * 50, 50, ("has 70,000 bytes before its first frame that are",)),
        (frame() * 50 + JUNK + frame() * 9, 59, ("has 10,160 bytes between its frames that are",)),
        (frame() * 50 + JUNK, 50, ("is followed by 10,160 bytes that are",)),
    ],
    ids=range(7),
)
def test_what_is_not_sound_is_left_out(data: bytes, frames: int, warning: tuple[str, ...]) -> None:
    lasts(data, frames * 1024 / 44_100, *(f"{text} not sound" for text in warning))


def test_a_last_frame_that_is_not_whole_is_a_cut() -> None:
    for tag in (b"", ID3V1, ape(9000), id3(9000)):
        flaw = str(looked_at((frame() * 50)[:-90] + tag))
        assert flaw.startswith("is cut short")
    zeros = "continues with zero bytes from within its last frame: it may be cut short"
    lasts((frame() * 50)[:-90] + bytes(70_000), 50 * 1024 / 44_100, zeros)
