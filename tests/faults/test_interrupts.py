"""Ctrl-C and SIGTERM to the command line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.assets import BUCKET, make_silence
from tests.catalog_samples import audio_ids, put_asset
from tests.faults.child import ROOT
from tests.faults.proxy import Proxy
from tests.faults.reader import DirectoryReader, Truth, check
from tests.faults.rig import Files, gcs, make_files, reader_of
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S, wait_until, within

pytestmark = pytest.mark.row("interrupts")
MIB = 1 << 20
SIGNALS = pytest.mark.parametrize(
    ("number", "codes"),
    [(signal.SIGINT, (130,)), (signal.SIGTERM, (130, 143))],
    ids=["SIGINT", "SIGTERM"],
)


class Command:
    """`audiostore …` in a process group of its own."""

    def __init__(self, server: StrictServer | Proxy, state: Path, *arguments: object) -> None:
        self.environment = {
            **os.environ,
            "STORAGE_EMULATOR_HOST": server.url,
            "GCS_BUCKET_NAME": BUCKET,
            "XDG_STATE_HOME": str(state),
            "NO_GCE_CHECK": "true",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "audiostore", *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self) -> tuple[int, str, str]:
        try:
            out, err = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, out, err


def seen(server: StrictServer, operation: str) -> bool:
    return any(r.operation == operation for r in server.requests)


MOMENTS = {
    "while listing": (faults.listing, "list"),
    "while storing the artwork": (faults.simple_upload, "upload"),
    "while sending the audio": (faults.session_chunk, "session_chunk"),
}


@SIGNALS
@pytest.mark.parametrize("moment", sorted(MOMENTS))
def test_an_interrupted_put_ends_within_a_second_and_can_go_on(
    server: StrictServer,
    tmp_path: Path,
    number: signal.Signals,
    codes: tuple[int, ...],
    moment: str,
) -> None:
    files = make_files(tmp_path / "local", audio_bytes=9 * MIB)
    audio_id = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
    when, operation = MOMENTS[moment]
    rule = server.fault(when, faults.stall_after(30), times=None)
    arguments = ("put", files.audio, "--thumbnail", files.cover, "--cleanup", "--id", audio_id)
    command = Command(server, tmp_path / "state", *arguments)
    wait_until(lambda: seen(server, operation))
    time.sleep(0.2)

    with within(1.5):  # a second, and some
        command.process.send_signal(number)
        code, out, err = command.ended()

    assert code in codes, err
    assert "again" in err  # how to go on
    assert out == ""
    assert files.both_kept()
    rule.cancel()
    code, out, err = Command(server, tmp_path / "state", *arguments).ended()
    assert code == 0, err
    _is_whole(server, files)
    assert not files.audio.exists()


def test_an_interrupted_export_of_tar_files_ends_within_a_second_and_can_go_on(
    server: StrictServer, tmp_path: Path
) -> None:
    store = gcs(server)
    for number, audio_id in enumerate(audio_ids(40)):
        put_asset(store, audio_id, data=bytes([number]) * 2000, cover=False)
    rule = server.fault(faults.download & faults.named("audio/"), faults.stall(30), times=None)
    arguments = ("export", "--shards", f"gs://{BUCKET}/train", "--size", "40K")
    command = Command(server, tmp_path / "state", *arguments)
    wait_until(lambda: rule.fired > 3)

    with within(1.5):
        command.process.send_signal(signal.SIGINT)
        code, out, err = command.ended()

    assert (code, out) == (130, ""), err
    assert "again to continue" in err
    assert not [each for each in server.objects(BUCKET) if each.name.endswith(".tar")]
    rule.cancel()
    code, out, err = Command(server, tmp_path / "state", *arguments).ended()
    assert code == 0, err
    assert "40 assets" in err


def _is_whole(server: StrictServer, files: Files) -> None:
    things = reader_of(server).things()
    (audio,) = [name for name in things if "/audio." in name]
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    check(things, {audio.split("/")[1]: truth}, {})
    assert len(things) == 2


def test_a_put_without_an_id_resumes_after_ctrl_c(server: StrictServer, tmp_path: Path) -> None:
    files = make_files(tmp_path / "local", audio_bytes=12 * MIB)
    server.fault(faults.session_chunk, faults.reset(8 * MIB))
    rule = server.fault(faults.status_query, faults.stall(30), times=None)
    arguments = ("put", files.audio, "--thumbnail", files.cover)
    command = Command(server, tmp_path / "state", *arguments)
    wait_until(lambda: seen(server, "session_status"))

    command.process.send_signal(signal.SIGINT)
    code, _, err = command.ended()
    assert code == 130, err
    rule.cancel()
    code, _, err = Command(server, tmp_path / "state", *arguments).ended()

    assert code == 0, err
    assert sum(server.bytes_received.values()) <= 12 * MIB + (256 << 10)
    settled_but_stalled = [r for r in server.requests if not r.done]
    assert len(settled_but_stalled) <= 1
    _is_whole(server, files)


def test_a_wait_between_attempts_is_interrupted(server: StrictServer, tmp_path: Path) -> None:
    files = make_files(tmp_path / "local")
    answer = faults.respond(503, {"Retry-After": "30"})
    server.fault(faults.any_upload, answer, times=None)
    command = Command(server, tmp_path / "state", "put", files.audio)
    wait_until(lambda: seen(server, "upload"))
    time.sleep(0.2)

    with within(1.5):
        command.process.send_signal(signal.SIGINT)
        code, _, err = command.ended()

    assert code == 130, err
    assert files.both_kept()


def test_a_second_ctrl_c_stops_at_once(server: StrictServer, tmp_path: Path) -> None:
    files = make_files(tmp_path / "local", audio_bytes=9 * MIB)
    server.fault(faults.session_chunk, faults.stall(30), times=None)
    command = Command(server, tmp_path / "state", "put", files.audio)
    wait_until(lambda: seen(server, "session_chunk"))

    with within(1.5):
        command.process.send_signal(signal.SIGINT)
        command.process.send_signal(signal.SIGINT)
        code, _, err = command.ended()

    assert code in (130, -signal.SIGINT), err
    assert "Traceback" not in err
    assert files.both_kept()


@SIGNALS
def test_an_interrupted_get_leaves_no_file(
    server: StrictServer, tmp_path: Path, number: signal.Signals, codes: tuple[int, ...]
) -> None:
    files = make_files(tmp_path / "local", audio_bytes=9 * MIB)
    audio_id = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
    put = Command(server, tmp_path / "state", "put", files.audio, "--id", audio_id)
    assert put.ended()[0] == 0
    folder = tmp_path / "downloads"
    folder.mkdir()
    with Proxy(server.port, bytes_per_second=MIB) as proxy:
        command = Command(proxy, tmp_path / "state", "get", audio_id, "-o", folder / "song.mp3")
        wait_until(lambda: any(folder.iterdir()))

        with within(1.5, busy_limit_s=6):  # all of it would take nine seconds
            command.process.send_signal(number)
            code, _, err = command.ended()

        assert code in codes, err
    assert list(folder.iterdir()) == []


@SIGNALS
def test_an_interrupted_put_into_a_directory_shows_nothing(
    server: StrictServer, tmp_path: Path, number: signal.Signals, codes: tuple[int, ...]
) -> None:
    path = tmp_path / "long.wav"
    make_silence(path, 3 << 30)
    root = tmp_path / "store"
    command = Command(
        server, tmp_path / "state", "put", path, "--bucket", root.as_uri(), "--cleanup"
    )
    try:
        temporary = root / ".audiostore" / "tmp"
        wait_until(lambda: temporary.exists() and any(temporary.iterdir()))
        with within(1.5):
            command.process.send_signal(number)
            code, _, err = command.ended()
        assert code in codes, err
        assert DirectoryReader(root).things() == {}
        assert not temporary.exists() or list(temporary.iterdir()) == []
        assert path.stat().st_size == 3 << 30
    finally:
        path.unlink()
