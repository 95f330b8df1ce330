"""Files that ask for gigabytes of memory or minutes of time, or kill what decodes them."""

import shutil
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, BulkItem, MemoryStore
from tests.assets import JPG, MP3
from tests.faults.test_interrupts import Command
from tests.gcs_server import StrictServer
from tests.hostile_files import flac_of_many_tags, jpeg_of_scans, webp_of_one_colour
from tests.timing import wait_until, within

pytestmark = pytest.mark.row("hostile files")


@pytest.mark.slow
def test_hostile_files_are_refused_and_the_others_of_the_run_are_stored(tmp_path: Path) -> None:
    """By default settings, but for decoding the covers."""
    (tmp_path / "memory.webp").write_bytes(webp_of_one_colour(9_400, 9_400))
    (tmp_path / "scans.jpg").write_bytes(jpeg_of_scans(8_000, 14_000))
    flac_of_many_tags(tmp_path / "time.flac")
    hostile = {
        "memory.webp": "more than 512 MiB of memory to decode",
        "scans.jpg": "more than 100 scans",
        "time.flac": 's of CPU time for it: that is a limit, not a sign of damage; check="none"',
    }
    items = []
    for name in hostile:
        shutil.copy(MP3, tmp_path / f"good {name}.mp3")
        items.append(BulkItem(tmp_path / f"good {name}.mp3", JPG))
        shutil.copy(MP3, tmp_path / f"bad {name}.mp3")
        is_audio = name.endswith(".flac")
        audio = tmp_path / (name if is_audio else f"bad {name}.mp3")
        items.append(BulkItem(audio, JPG if is_audio else tmp_path / name))
    with AudioStorageManager(store=MemoryStore()) as manager:
        outcomes = list(manager.bulk.upload(items, thumbnail_max_px=300))
    outcomes.sort(key=lambda outcome: outcome.index)
    assert [outcome.error for outcome in outcomes[::2]] == [None] * 3
    for outcome, reason in zip(outcomes[1::2], hostile.values(), strict=True):
        assert reason in str(outcome.error)


def _sandbox_workers(pid: int) -> list[int]:
    """The sandbox workers among the descendants of a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and b"audiostore.media.sandbox" in _command_line(entry):
                parents[int(entry.name)] = _parent(entry)
    return [worker for worker, parent in parents.items() if pid in (parent, _grandparent(parent))]


def _command_line(process: Path) -> bytes:
    return (process / "cmdline").read_bytes()


def _parent(process: Path) -> int:
    return int((process / "stat").read_text().rpartition(") ")[2].split()[1])


def _grandparent(parent: int) -> int | None:
    try:
        return _parent(Path("/proc", str(parent)))
    except OSError:
        return None


def _memory_mib(pid: int) -> int:
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        if "RssAnon:" in status:
            return int(status.split("RssAnon:")[1].split()[0]) >> 10
    return 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "codes", "files"),
    [
        (signal.SIGINT, (130,), 1),
        (signal.SIGTERM, (130, 143), 1),
        (signal.SIGKILL, (-9,), 1),
        (signal.SIGINT, (130,), 2),
        (signal.SIGKILL, (-9,), 2),
    ],
)
def test_an_image_that_takes_long_to_decode_ends_with_the_command(
    server: StrictServer,
    tmp_path: Path,
    number: signal.Signals,
    codes: tuple[int, ...],
    files: int,
) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    for index in range(files):
        (folder / f"{index}.mp3").write_bytes(MP3.read_bytes())
        (folder / f"{index}.jpg").write_bytes(jpeg_of_scans(9_400 + index, 100))
    what = (folder,) if files > 1 else (folder / "0.mp3", "--thumbnail", folder / "0.jpg")
    command = Command(server, tmp_path / "state", "put", *what, "--check", "full")
    # A picture of 88 million pixels: twice as many bytes of coefficients, ten seconds and more.
    wait_until(lambda: any(_memory_mib(pid) > 100 for pid in _sandbox_workers(command.process.pid)))
    workers = _sandbox_workers(command.process.pid)

    with within(1.5, busy_limit_s=8):
        command.process.send_signal(number)
        code, _, err = command.ended()
        wait_until(lambda: not any(_memory_mib(pid) for pid in workers))

    assert code in codes, err
