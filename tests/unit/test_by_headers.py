"""A file that is as its format says is described without FFmpeg, and just as FFmpeg would."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from audiostore.errors import UnplayableAudioError
from audiostore.media import inspect_audio
from audiostore.media.facts.by_headers import describe_by_headers
from audiostore.media.info import AudioInfo
from audiostore.media.kinds import Recognised
from audiostore.media.parsing.mpeg import mpeg_length
from audiostore.media.parsing.reading import Reader
from audiostore.media.probe import read_audio
from audiostore.media.recognition import identify
from audiostore.media.sandbox import pool
from tests.audio_samples import AUDIO, encode, ogg_changed, ogg_page, ogg_pages, sample
from tests.timing import PATIENCE_S, few_calls

DESCRIBED = [
    *(name for name in AUDIO if AUDIO[name][0] in (".aif", ".aiff", ".flac", ".mp3", ".wav")),
    *("m4a", "m4a of alac", "ogg vorbis", "ogg opus", "ogg flac"),
]
SUBFORMAT = bytes.fromhex("00000000 1000 8000 00aa 0038 9b71")


def recognised(data: bytes) -> Recognised:
    found = identify(io.BytesIO(data))
    assert isinstance(found, Recognised)
    return found


def own(data: bytes) -> AudioInfo | None:
    return describe_by_headers(io.BytesIO(data), len(data), recognised(data))


def by_ffmpeg(data: bytes) -> AudioInfo:
    found = recognised(data)
    return read_audio(io.BytesIO(data), found.format.name, offset=found.offset)


def wav(*fmt: int, more: bytes = b"") -> bytes:
    fields = struct.pack("<HHIIHH", *fmt) + more
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(fields)) + fields
    body += struct.pack("<4sI", b"data", 2400) + bytes(range(240)) * 10
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extensible(tag: int, guid: bytes = SUBFORMAT, size: int = 22, bits: int = 24) -> bytes:
    more = struct.pack("<HHI", size, bits, 3) + struct.pack("<H", tag) + guid
    return wav(0xFFFE, 2, 48_000, 288_000, 6, 24, more=more)


def aiff(
    codec: bytes, *, bits: int = 16, samples: int = 600, rate: bytes = b"\x40\x0e\xac\x44"
) -> bytes:
    comm = struct.pack(">HIH", 2, samples, bits) + rate.ljust(10, b"\0") + codec
    sound = bytes(8 + 2400)
    body = (b"AIFC" if codec else b"AIFF") + struct.pack(">4sI", b"COMM", len(comm)) + comm
    body += struct.pack(">4sI", b"SSND", len(sound)) + sound
    return b"FORM" + struct.pack(">I", len(body)) + body


def frames(header: str, count: int, content: bytes = b"") -> bytes:
    head = bytes.fromhex(header)
    return (head + content.ljust(mpeg_length(head, 0) - 4, b"\0")) * count


def counted(header: str, count: int) -> bytes:
    """Return a first frame that counts others."""
    return frames(header, 1, bytes(32) + struct.pack(">4sIII", b"Xing", 3, count, 418 * count))


def flac_blocks(*blocks: tuple[int, bytes]) -> bytes:
    """Return a FLAC file with these blocks after STREAMINFO."""
    data, at = sample("flac"), 4
    while True:
        is_last, size = data[at] & 0x80, int.from_bytes(data[at + 1 : at + 4])
        at += 4 + size
        if is_last:
            break
    more = b"".join(struct.pack(">I", kind << 24 | len(body)) + body for kind, body in blocks)
    return data[:4] + b"\0" + data[5:42] + more + b"\x81\0\0\0" + data[at:]


@pytest.mark.parametrize("name", DESCRIBED)
def test_samples_are_described_without_ffmpeg(name: str) -> None:
    data = sample(name)
    found = own(data)
    assert found is not None
    assert found == by_ffmpeg(data)


PLAIN: dict[str, Callable[[], bytes]] = {
    "wav of 8 bits": lambda: wav(1, 1, 8_000, 8_000, 1, 8),
    "wav of 12 bits in 16": lambda: wav(1, 2, 44_100, 176_400, 4, 12),
    "wav of 24 bits in 32": lambda: wav(1, 2, 44_100, 352_800, 8, 24),
    "wav of doubles": lambda: wav(3, 1, 44_100, 352_800, 8, 64),
    "wav of mu-law": lambda: wav(7, 1, 8_000, 8_000, 1, 8),
    "wav with a wrong size of blocks": lambda: wav(1, 2, 44_100, 176_400, 3, 16),
    "extensible wav": lambda: extensible(1),
    "extensible wav of 20 bits": lambda: extensible(1, bits=20),
    "aiff of 24 bits": lambda: aiff(b"", bits=24, samples=400),
    "aiff of 12 bits": lambda: aiff(b"", bits=12),
    "aiff of half a hertz": lambda: aiff(b"", rate=b"\x40\x0d\xad\xce\x7f"),
    "aifc as it is": lambda: aiff(b"NONE\0\0"),
    "aifc the other way round": lambda: aiff(b"sowt\0\0"),
    "aifc of floats": lambda: aiff(b"fl32\0\0", bits=32, samples=300),
    "aifc of a-law": lambda: aiff(b"alaw\0\0", samples=1200),
    "mp3 without tags": lambda: frames("fffb90c4", 40),
    "mp3 with a count": lambda: counted("fffb9064", 40) + frames("fffb9064", 40),
    "mp3 with a count of another rate": lambda: counted("fffb5064", 40) + frames("fffb9064", 40),
    "mp3 of changing bit rates": lambda: frames("fffb9064", 40) + frames("fffbb064", 40),
    "mp3 of two kinds of joint stereo": lambda: frames("fffb9064", 4) + frames("fffb9044", 40),
    "mp3 of 8 kHz": lambda: frames("ffe318c4", 40),
    "flac of stereo": lambda: encode("flac", "flac", rate=12_345, layout="stereo"),
    "flac with two tags": lambda: flac_blocks((4, bytes(8)), (4, bytes(8))),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_rare_but_plain_is_described_without_ffmpeg(name: str) -> None:
    data = PLAIN[name]()
    found = own(data)
    assert found is not None
    assert found == by_ffmpeg(data)


ODD: dict[str, Callable[[], bytes]] = {
    "wav of ADPCM": lambda: encode("wav", "adpcm_ima_wav"),
    "wav of MP3": lambda: encode("wav", "libmp3lame"),
    "wav of 40 bits": lambda: wav(1, 1, 8_000, 40_000, 5, 40),
    "wav of 65 channels": lambda: wav(1, 65, 8_000, 1_040_000, 130, 16),
    "wav of a-law in words": lambda: wav(6, 1, 8_000, 16_000, 2, 8),
    "wav of too many hertz": lambda: wav(1, 1, 10_000_001, 20_000_002, 2, 16),
    "extensible wav of another kind": lambda: extensible(1, bytes(14)),
    "extensible wav that is not": lambda: extensible(1, size=0),
    "aiff of blocks": lambda: aiff(b"ima4\0\0"),
    "aiff of no hertz": lambda: aiff(b"", rate=b""),
    "aiff of negative hertz": lambda: aiff(b"", rate=b"\xc0\x0e\xac\x44"),
    "aiff of another order with too many bits": lambda: aiff(b"sowt\0\0", bits=24, samples=400),
    "aiff of a name cut short": lambda: aiff(b"NO"),
    "mp3 of two frames": lambda: frames("fffb9064", 2),
    "mp3 that becomes mono": lambda: frames("fffb9064", 5) + frames("fffb90c4", 40),
    "mp3 that becomes original": lambda: frames("fffb9064", 5) + frames("fffb9060", 40),
    "mp3 with a count in mono": lambda: counted("fffb90c4", 40) + frames("fffb9064", 40),
    "mp3 with junk": lambda: frames("fffb9064", 5) + b"junk" * 99 + frames("fffb9064", 99),
    "layer II with a count": lambda: counted("fffd9064", 40) + frames("fffd9064", 40),
    "flac that changes": lambda: (
        encode("flac", "flac", seconds=0.2, rate=44_100) + encode("flac", "flac", rate=48_000)
    ),
    "flac with two headers": lambda: flac_blocks((0, sample("flac")[8:42])),
    "flac of a disc": lambda: flac_blocks((5, bytes(500))),
    "aac, whose headers are not to be trusted": lambda: sample("aac"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_to_ffmpeg(name: str) -> None:
    assert own(ODD[name]()) is None


def frame3(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">IH", len(data), 0) + data


def tag3(*parts: bytes) -> bytes:
    body = b"".join(parts)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + body


def comments(count: int, size: int = 0) -> bytes:
    each = b"A=".ljust(size, b"\xe4")
    return struct.pack("<II", 0, count) + (struct.pack("<I", len(each)) + each) * count


def jpeg_of_parts(size: int) -> bytes:
    return frame3(b"APIC", b"\0image/jpeg\0\3\0\xff\xd8" + b"\xff\xe1\0\2" * size)


ID3_FRAMES = tag3(frame3(b"TXXX", b"\0a\0b") * 2_999)
ID3_CHUNK = struct.pack("<4sI", b"ID3 ", len(ID3_FRAMES)) + ID3_FRAMES
SERIAL = int.from_bytes(sample("ogg opus")[14:18], "little")
SMALL = "ffe314c4"
"""The header of the shortest frame: 48 bytes."""
COSTLY: dict[str, Callable[[], bytes]] = {
    "frames without end": lambda: frames(SMALL, 340_000),
    "gaps without end": lambda: frames(SMALL, 999) + (frames(SMALL, 4) + b"\xff\xe3gap") * 70_000,
    "more than is read": lambda: frames("fffb9064", 41_000),
    "texts without end": lambda: (
        tag3(frame3(b"COMM", b"\0eng\0" + b"\xe4" * 9_000) * 1_500) + frames("fffb9064", 40)
    ),
    "pictures without end": lambda: tag3(*[jpeg_of_parts(99_000)] * 16) + frames("fffb9064", 40),
    "tags without end": lambda: wav(1, 1, 8_000, 16_000, 2, 16) + ID3_CHUNK * 400,
    "comments without end": lambda: flac_blocks(*[(4, comments(500, 4_000))] * 7),
    "blocks without end": lambda: flac_blocks(*[(6, bytes(40))] * 9_000),
    "pages without end": lambda: (
        b"".join(ogg_pages(sample("ogg opus"))[:2])
        + ogg_changed(ogg_page(b"\x08", flags=0, position=99), serial=SERIAL) * 400_000
    ),
    "signs of frames without end": lambda: (
        sample("flac from a pipe") + b"\xff\xf8\x124\0" * 3_000_000
    ),
}  # fmt: skip
MAX_CALLS = 1_500_000


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTLY)
def test_what_takes_much_is_left_to_a_worker(name: str) -> None:
    data = COSTLY[name]()
    found = recognised(data)
    with few_calls(MAX_CALLS, cpu_limit_s=10):
        assert describe_by_headers(io.BytesIO(data), len(data), found) is None


def test_a_budget_that_was_spent_is_remembered() -> None:
    reader = Reader(io.BytesIO(bytes(99)), reads=2, total=99, window=1, steps=3)
    assert reader.at(0, 9) == bytes(9)
    reader.spend(3)
    assert not reader.is_spent
    for spend in (lambda: reader.spend(1), lambda: reader.at(9, 91), lambda: reader.require(100)):
        with pytest.raises(Exception, match=r"^$"):
            spend()
    reader.renew(reads=9, total=99)
    assert reader.is_spent


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which formats FFmpeg is asked about."""
    names: list[str] = []

    def noted(ask: Callable[..., object]) -> Callable[..., object]:
        def asking(path: Path, name: str, *args: object, **options: object) -> object:
            names.append(name)
            return ask(path, name, *args, **options)

        return asking

    monkeypatch.setattr(pool, "probe_audio", noted(pool.probe_audio))
    monkeypatch.setattr(pool, "check_audio", noted(pool.check_audio))
    return names


def inspect(data: bytes, name: str, folder: Path, **options: object) -> AudioInfo | None:
    path = folder / name
    path.write_bytes(data)
    with FileIO(path) as stream:
        return inspect_audio(path, stream, name, **options).info  # type: ignore[arg-type]


def test_ffmpeg_alone_refuses(tmp_path: Path, asked: list[str]) -> None:
    data = wav(1, 1, 10_000_001, 20_000_002, 2, 16)
    with pytest.raises(UnplayableAudioError, match="names no sample rate"):
        inspect(data, "a.wav", tmp_path)
    assert asked == ["WAV"]


def test_ffmpeg_is_asked_where_it_is_needed_anyway(tmp_path: Path, asked: list[str]) -> None:
    quick = inspect(sample("mp3"), "a.mp3", tmp_path)
    assert asked == []
    assert inspect(sample("mp3"), "a.mp3", tmp_path, artwork_max_px=100) == quick
    full = inspect(sample("mp3"), "a.mp3", tmp_path, check="full")
    assert asked == ["MP3"] * 2
    assert full is not None
    assert quick is not None
    assert full.bitrate_bps == quick.bitrate_bps


def test_a_parser_that_fails_is_left_to_a_worker(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise zlib.error

    expected = inspect(sample("mp3"), "a.mp3", tmp_path)
    monkeypatch.setattr("audiostore.media.inspection.describe_by_headers", fail)
    assert inspect(sample("mp3"), "a.mp3", tmp_path) == expected
    assert asked == ["MP3"]


PROGRAM = """
import sys
from audiostore.cli import main

def refuse(event, _):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        raise RuntimeError("a process is started")

sys.addaudithook(refuse)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("odd", [(), ("wma",)])
def test_a_bulk_run_starts_no_process_that_no_file_needs(
    odd: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for number, name in enumerate((*DESCRIBED, *odd)):
        (folder / f"{number}{AUDIO[name][0]}").write_bytes(sample(name))
    args = ["put", str(folder), "--bucket", (tmp_path / "store").as_uri(), "--no-journal"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode == 0) is (not odd), done.stderr
    stored = len(list((tmp_path / "store").rglob("audio.*")))
    assert stored == len(DESCRIBED)
