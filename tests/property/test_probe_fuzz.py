"""Any bytes up to a megabyte: an answer or a refusal, in two seconds and 200 MB, and no crash.

Each of the mutating tests takes 3 s; `make fuzz` lets it run longer.
"""

import io
import os
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from audiostore.errors import InvalidImageError, UnplayableAudioError, UnsupportedFormatError
from audiostore.media.artwork import check_image, scale_image
from audiostore.media.faststart import needs_faststart, write_faststart
from audiostore.media.formats import AUDIO_FORMATS
from audiostore.media.images import identify_image
from audiostore.media.sandbox.pool import SandboxPool
from tests.fuzzing import FUZZ, examples
from tests.timing import PATIENCE_S

EXAMPLES = Path(__file__).parents[2] / "examples"
SUFFIXES = {".mp3": "MP3", ".flac": "FLAC", ".wav": "WAV", ".ogg": "Ogg"}
SUFFIXES |= {".m4a": "MP4", ".aac": "AAC", ".opus": "Ogg"}
SONGS = [(p.read_bytes(), SUFFIXES[p.suffix]) for p in EXAMPLES.iterdir() if p.suffix in SUFFIXES]
IMAGES = [p.read_bytes() for p in EXAMPLES.iterdir() if p.suffix in (".jpg", ".png", ".webp")]
NAMES = [each.name for each in AUDIO_FORMATS]
FUZZ_S = 3.0 * FUZZ
NUMBERS = (
    b"\xff" * 4,
    bytes(4),
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\1",
    b"\xff\xff\xff\x7f",
)
WORDS = (b"moov", b"stsz", b"elst", b"data", b"LIST", b"id3 ", b"APIC", b"OggS", b"dref", b"covr")


def mutated(rng: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        reach = 4096 if rng.random() < 0.7 else len(found)
        at = rng.randrange(min(len(found), reach))
        if data[4:8] == b"ftyp" and rng.random() < 0.4:  # the index is at the end
            at = rng.randrange(max(0, len(found) - 20_000), len(found))
        match rng.randrange(7):
            case 0:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                found[at : at + 4] = rng.choice(NUMBERS)
            case 2:
                found[at : at + 8] = rng.randbytes(8)
            case 3:
                del found[at : at + rng.randrange(200)]
            case 4:
                start = rng.randrange(len(found))
                found[at:at] = found[start : start + rng.randrange(2000)]
            case 5:
                found[at : at + 4] = rng.choice(WORDS)
            case 6:
                del found[max(at, 16) :]
        found = found or bytearray(b"x")
    return bytes(found[: 1 << 20])


def _computed_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watched:
    """An pool whose answers are timed and whose memory is watched."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "song"
        self._pool = SandboxPool(cpu_s=2.0)
        self.answers = self.refusals = self.crashes = 0

    def look(self, data: bytes, format_name: str) -> str | None:
        """Return the refusal, or None."""
        self._path.write_bytes(data or b"\0")
        if not self._pool._workers:
            self._pool.probe(EXAMPLES / "a-brisk-walk.wav", "WAV")
        pid = self._pool._workers[0]._process.pid
        before_s = _computed_s(pid)
        try:
            self._pool.probe(self._path, format_name)
        except UnplayableAudioError as error:
            self.refusals += 1
            self.crashes += "crash" in str(error)
            return str(error)
        finally:
            if self._pool._workers:  # else the kernel ended it, after 2 s at most
                assert _computed_s(pid) - before_s < 2.2
            status = Path(f"/proc/{pid}/status")
            if status.exists() and "VmHWM:" in (text := status.read_text()):
                assert int(text.split("VmHWM:")[1].split()[0]) < 200 << 10
        self.answers += 1
        return None

    def close(self) -> None:
        self._pool.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    found = Watched(tmp_path_factory.mktemp("fuzz"))
    yield found
    found.close()
    assert found.crashes == 0


def test_mutated_examples_are_answered_or_refused(watched: Watched) -> None:
    rng = random.Random(4)
    end = time.monotonic() + FUZZ_S
    patience_ends = end + PATIENCE_S
    while (now := time.monotonic()) < patience_ends:
        data, name = rng.choice(SONGS)
        watched.look(mutated(rng, data), name)
        if now > end and watched.answers > 50 and watched.refusals > 20:
            break  # a busy machine takes longer to get there
    assert watched.answers > 50
    assert watched.refusals > 20


def test_every_file_looked_at_as_every_other_format_is_answered_or_refused(
    watched: Watched,
) -> None:
    for data, _ in SONGS:
        for name in NAMES:
            watched.look(data, name)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=2000), st.sampled_from(NAMES), st.sampled_from(SONGS))
def test_any_bytes_alone_or_after_a_header_give_facts_or_an_error(
    watched: Watched, data: bytes, name: str, song: tuple[bytes, str]
) -> None:
    watched.look(data, name)
    watched.look(song[0][:200] + data, song[1])


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


@pytest.mark.parametrize("kind", [b"moov", b"trak", b"udta", b"meta", b"mdia", b"ilst"])
def test_deeply_nested_boxes_are_refused(watched: Watched, kind: bytes) -> None:
    depth = 60_000
    sizes = (struct.pack(">I4s", 8 * (depth - i), kind) for i in range(depth))
    data = box(b"ftyp", b"M4A \0\0\0\0") + box(b"mdat", b"1234") + box(b"moov", b"".join(sizes))
    assert watched.look(data, "MP4")


def crafted_mp4(samples: int, edits: int = 0) -> bytes:
    """A kilobyte that claims any number of samples: FFmpeg makes an index entry for each."""
    cookie = struct.pack(">IBBBBBBHIII", 4096, 0, 16, 40, 10, 14, 2, 255, 0, 0, 44_100)
    alac = bytes(6) + struct.pack(">H", 1) + bytes(8)
    alac += struct.pack(">HHHHI", 2, 16, 0, 0, 44_100 << 16) + box(b"alac", bytes(4) + cookie)
    stbl = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1) + box(b"alac", alac))
        + box(b"stts", struct.pack(">IIII", 0, 1, samples, 1024))
        + box(b"stsc", struct.pack(">IIIII", 0, 1, 1, samples, 1))
        + box(b"stsz", struct.pack(">III", 0, 1, samples))
        + box(b"stco", struct.pack(">III", 0, 1, 40)),
    )
    minf = box(b"minf", box(b"smhd", bytes(8)) + stbl)
    mdhd = box(b"mdhd", bytes(12) + struct.pack(">II", 44_100, 44_100) + bytes(4))
    hdlr = box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    tkhd = box(b"tkhd", struct.pack(">I8xI", 7, 1) + bytes(68))
    mvhd = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 1000) + bytes(80))
    elst = struct.pack(">II", 0, edits) + struct.pack(">IiHH", 1, 0, 1, 0) * edits
    trak = box(b"trak", tkhd + box(b"edts", box(b"elst", elst)) + box(b"mdia", mdhd + hdlr + minf))
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"mdat", bytes(1000)) + box(b"moov", mvhd + trak)


@pytest.mark.parametrize("samples", [3_000_000, 10_000_000, 89_000_000, 0x7FFF_FFFF])
@pytest.mark.parametrize("edits", [0, 80_000])
def test_a_kilobyte_that_asks_for_gigabytes_does_not_get_them(
    watched: Watched, samples: int, edits: int
) -> None:
    watched.look(crafted_mp4(samples, edits), "MP4")


def test_mutated_images_are_refused_or_decoded_in_the_sandbox_as_they_are_here() -> None:
    rng = random.Random(5)
    end = time.monotonic() + FUZZ_S
    with SandboxPool() as pool:
        while time.monotonic() < end:
            data = with_right_checksums(mutated(rng, rng.choice(IMAGES)))
            try:
                info = identify_image(data)
            except InvalidImageError:
                continue
            if info.width * info.height > 1_000_000:
                continue  # the sandbox has less memory
            kind = info.format_name
            here = outcome(lambda data: check_image(data) and None, data)
            assert outcome(lambda data: pool.decode_image(data, kind), data) == here  # noqa: B023
            scaled = outcome(lambda data: scale_image(data, 64), data)
            expected = None if scaled == data else scaled
            assert outcome(lambda data: pool.decode_image(data, kind, 64), data) == expected  # noqa: B023


def outcome(look: Callable[[bytes], object], data: bytes) -> object:
    try:
        return look(data)
    except InvalidImageError as error:
        return str(error)


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose wrong bits its checksums do not show."""
    found, at = bytearray(data), 8
    while data.startswith(b"\x89PNG\r\n\x1a\n") and at + 12 <= len(found):
        end = at + 12 + int.from_bytes(found[at : at + 4])
        if end > len(found):
            break
        found[end - 4 : end] = zlib.crc32(found[at + 4 : end - 4]).to_bytes(4)
        at = end
    return bytes(found)


def test_mutated_mp4_boxes_are_moved_or_refused() -> None:
    rng = random.Random(6)
    (song,) = (data for data, name in SONGS if name == "MP4")
    end = time.monotonic() + FUZZ_S
    while time.monotonic() < end:
        data, out = mutated(rng, song), io.BytesIO()
        try:
            needs_faststart(io.BytesIO(data))
            write_faststart(io.BytesIO(data), out)
        except (UnplayableAudioError, UnsupportedFormatError):
            continue
        assert len(out.getvalue()) >= len(data)
        assert not needs_faststart(out)
