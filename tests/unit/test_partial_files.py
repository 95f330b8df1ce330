"""Files that are fetched as they are read: facts are those of the whole file, never of holes."""

import io
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from itertools import pairwise
from pathlib import Path

import pytest

from audiostore.errors import AudioStoreError, UnplayableAudioError
from audiostore.media import InspectedAudio, PartialFile, inspect_audio, partial
from audiostore.media.sandbox import pool, worker
from tests.assets import MP3
from tests.audio_samples import AUDIO, encode, id3, sample

MANY_BYTES = 1 << 20


def mp3_of(*rows: tuple[int, int], count: int | None = None) -> bytes:
    """Return an MP3 file of rows of (empty) frames, each so many of a bit rate in kbit/s."""

    def frame(kbps: int) -> bytes:
        index = {64: 5, 128: 9, 256: 13, 320: 14}[kbps]
        return bytes([0xFF, 0xFB, index << 4, 0xC4]) + bytes(144_000 * kbps // 44_100 - 4)

    sound = b"".join(frame(kbps) * frames for frames, kbps in rows)
    first = frame(128)
    there = sum(frames for frames, _ in rows) if count is None else count
    counts = struct.pack(">4sIII", b"Xing", 3, there, len(first + sound))
    tag = counts + b"Lavf62.3" + bytes(13) + bytes([0x24, 0x05, 0x76])
    return first[:21] + tag + first[21 + len(tag) :] + sound


LARGE: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "aac": (".aac", lambda: encode("adts", "aac", seconds=40, bit_rate=320_000), 99),
    "aiff": (".aiff", lambda: encode("aiff", "pcm_s16be", seconds=30), 2),
    "caf": (".caf", lambda: encode("caf", "alac", seconds=30), 2),
    "flac": (".flac", lambda: encode("flac", "flac", seconds=40), 7),
    "m4a": (".m4a", lambda: encode("ipod", "alac", seconds=30), 2),
    "mp3": (".mp3", lambda: id3(300_000) + mp3_of((4000, 128)), 4),
    "mp3 encoded": (".mp3", lambda: encode("mp3", "libmp3lame", seconds=40, bit_rate=256_000), 3),
    "mp3 of variable bit rate": (".mp3", lambda: mp3_of((900, 64), (900, 320), (900, 256)), 2),
    "mp3 of another count": (".mp3", lambda: mp3_of((4000, 128), count=5000), 99),
    "mp3 of too few bytes": (".mp3", lambda: mp3_of((4000, 128))[:-100_000], 99),
    "oga": (".oga", lambda: encode("ogg", "flac", seconds=30), 3),
    "opus": (".opus", lambda: encode("ogg", "libopus", seconds=50, bit_rate=256_000), 3),
    "vorbis": (".ogg", lambda: encode("ogg", "vorbis", seconds=50, layout="stereo"), 3),
    "ogg in a chain": (".oga", lambda: 2 * encode("ogg", "flac", seconds=15), 99),
    "wav": (".wav", lambda: encode("wav", "pcm_s24le", seconds=20), 2),
    "webm": (".webm", lambda: encode("webm", "libopus", seconds=40, bit_rate=256_000), 99),
    "wma": (".wma", lambda: encode("asf", "wmav2", seconds=60, bit_rate=192_000), 2),
}
"""One of each format, each more than a MiB, and how many blocks are read of it. All are, where the
duration is that of all frames, pages or clusters (ADTS, WebM; MP3 and Ogg, if in doubt)."""


class Elsewhere:
    """A file elsewhere, and what was asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def fetch(self, start: int, stop: int) -> Iterator[bytes]:
        self.asked.append((start, stop))
        for at in range(start, stop, 100_000):
            yield self.data[at : min(at + 100_000, stop)]

    @contextmanager
    def open(self) -> Iterator[PartialFile]:
        with tempfile.TemporaryFile() as file:
            yield PartialFile(file.fileno(), len(self.data), self.fetch)


def in_parts(far: Elsewhere, name: str) -> InspectedAudio | str:
    with far.open() as file:
        try:
            found = inspect_audio(Path(name), file, name)
        except AudioStoreError as error:
            return str(error)
        assert file.fetched_bytes == sum(stop - start for start, stop in far.asked)
        return found


def whole(data: bytes, name: str, folder: Path) -> InspectedAudio | str:
    path = folder / name
    path.write_bytes(data)
    with FileIO(path) as file:
        try:
            return inspect_audio(Path(name), file, name)
        except AudioStoreError as error:
            return str(error)


def covered(asked: list[tuple[int, int]]) -> bool:
    """Say whether nothing was asked for twice."""
    ordered = sorted(asked)
    return all(end <= start for (_, end), (start, _) in pairwise(ordered))


@pytest.mark.slow
@pytest.mark.parametrize("name", AUDIO)
def test_facts_from_small_blocks_are_those_of_the_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "BLOCK_BYTES", 1 << 10)
    data, file = sample(name), f"sample{AUDIO[name][0]}"
    far = Elsewhere(data)
    assert in_parts(far, file) == whole(data, file, tmp_path)
    assert covered(far.asked)
    cut = data[: len(data) * 2 // 3]
    assert in_parts(Elsewhere(cut), file) == whole(cut, file, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_not_read_as_a_whole(name: str, tmp_path: Path) -> None:
    extension, make, most_blocks = LARGE[name]
    data = make()
    assert len(data) > MANY_BYTES
    far = Elsewhere(data)
    found = in_parts(far, f"song{extension}")
    assert found == whole(data, f"song{extension}", tmp_path)
    assert isinstance(found, InspectedAudio) or name == "mp3 of too few bytes"
    assert covered(far.asked)
    assert len(far.asked) <= 8
    assert sum(stop - start for start, stop in far.asked) <= most_blocks * partial.BLOCK_BYTES


def test_reads_are_those_of_a_file_and_fetch_each_block_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partial, "BLOCK_BYTES", 10)
    far = Elsewhere(bytes(range(95)))
    with far.open() as file:
        assert file.seek(-3, io.SEEK_END) == 92
        assert file.read(10) == bytes([92, 93, 94])
        assert far.asked == [(90, 95)]
        assert file.read(1) == b""
        file.seek(8)
        assert file.read(4) == bytes([8, 9, 10, 11])
        assert file.seek(2, io.SEEK_CUR) == file.tell() == 14
        assert far.asked[1:] == [(0, 20)]
        file.seek(33)
        file.read(1)
        file.seek(0)
        assert file.read() == far.data
        assert far.asked[2:] == [(30, 40), (20, 30), (40, 90)]


def test_a_file_that_is_read_on_is_fetched_in_growing_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partial, "BLOCK_BYTES", 10)
    far = Elsewhere(bytes(1_000))
    with far.open() as file:
        for _ in range(1_000):
            file.read(1)
    assert [stop - start for start, stop in far.asked] == [10, 20, 40, 80, 160, 320, 370]


def test_a_worker_says_what_is_missing_whatever_ffmpeg_makes_of_it() -> None:
    far = Elsewhere(sample("m4a"))
    with far.open() as file:
        request = worker.Request("probe", "MP4", 1 << 27, 2.0, size_bytes=len(far.data))
        assert worker._probe(worker.OpenFile(file.fileno()), request) == ({"missing": 0}, b"")
        assert file.fetch(0)
        assert not file.fetch(0)
        fields, _ = worker._probe(worker.OpenFile(file.fileno()), request)
        assert fields["codec"] == "aac"


def test_a_worker_that_never_has_enough_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.SandboxPool, "_run", lambda *_: ({"missing": 0}, b""))
    far = Elsewhere(MP3.read_bytes())
    with far.open() as file, pytest.raises(UnplayableAudioError, match="invalid results"):
        pool.probe_audio(Path("song"), "MP3", partial=file)


@pytest.mark.parametrize("name", ["aiff", "flac", "m4a", "mp3", "ogg opus", "wav"])
def test_what_describes_itself_needs_no_worker(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "probe_audio", pytest.fail)
    assert isinstance(in_parts(Elsewhere(sample(name)), f"song{AUDIO[name][0]}"), InspectedAudio)
