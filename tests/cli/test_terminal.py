"""What is seen on a terminal, and what a Ctrl-C does."""

import os
import pty
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

from tests.assets import repeated_mp3
from tests.cli.conftest import COMMAND, COVER, MP3, Run
from tests.gcs_server import StrictServer, faults
from tests.gcs_server.faults import Rule
from tests.timing import PATIENCE_S, wait_until, within

pytestmark = pytest.mark.slow


def _on_terminal(
    *args: str | Path,
    typed: bytes = b"",
    interrupt_at: bytes | None = None,
    stdin: Path | None = None,
    **env: str,
) -> tuple[int, str]:
    """Run the command on a pseudo-terminal; return its exit code and all that it showed.

    It gets SIGINT once it has shown `interrupt_at`. Its input is the terminal, or a file.
    """
    control, terminal = pty.openpty()
    given = terminal if stdin is None else os.open(stdin, os.O_RDONLY)
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=given,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, **env},
    )
    for descriptor in {given, terminal}:
        os.close(descriptor)
    watchdog = Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        os.write(control, typed)
        shown = b""
        with suppress(OSError):  # EIO: the command has left
            while piece := os.read(control, 65536):
                shown += piece
                if interrupt_at is not None and interrupt_at in shown:
                    interrupt_at = None
                    process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE_S), shown.decode()
    finally:
        watchdog.cancel()
        os.close(control)
        process.kill()
        process.wait()


def _long_mp3() -> Path:
    path = Path("long.mp3")
    path.write_bytes(repeated_mp3(40))
    return path


def test_progress_is_drawn_on_a_terminal_only(run: Run, server: StrictServer) -> None:
    server.fault(faults.any_upload, faults.throttle(8e6), times=None)
    started = time.monotonic()
    code, shown = _on_terminal("put", _long_mp3(), "--thumbnail", COVER)
    took_s = time.monotonic() - started
    assert code == 0
    drawn = re.findall(r"\raudio\.mp3  [\d.]+ [KM]?i?B of 6\.4 MiB  \d+%", shown)
    assert 1 <= len(drawn) <= 10 * took_s + 2
    assert re.search(r"MiB/s", shown)
    # The line is wiped out before the result stands there.
    assert re.search(r"\r\x1b\[J[0-9a-f]{8}-[0-9a-f-]{27}\r\n", shown)
    assert run("put", _long_mp3()).stderr == ""


WAITING = "waiting for gs://bucket for up to 2 min 00 s: 503 Service Unavailable"


@pytest.mark.parametrize(
    "command", ["put", "list", "show"], ids=["with a line", "with a count", "with nothing else"]
)
def test_what_is_waited_for_is_a_line_on_a_terminal_only(
    run: Run, server: StrictServer, command: str
) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    arguments = {"put": (str(MP3), "--no-journal"), "list": (), "show": (audio_id,)}[command]
    matcher = faults.any_upload if command == "put" else faults.any_request

    server.fault(matcher, faults.respond(503))
    code, shown = _on_terminal(command, *arguments)
    assert code == 0
    assert shown.count(WAITING) == 1
    # The line is wiped out before the result stands there.
    assert "\r" in shown.partition(WAITING)[2].partition("\n")[0].rstrip("\r")

    server.fault(matcher, faults.respond(503))
    assert run(command, *arguments).stderr == ""


@pytest.mark.parametrize("way", ["--retry-for 0", "Ctrl-C"])
def test_nobody_has_to_wait(server: StrictServer, way: str) -> None:
    rule = server.fault(faults.any_request, faults.respond(503), times=None)
    if way == "Ctrl-C":
        with within(10):
            code, shown = _on_terminal("list", interrupt_at=WAITING.encode())
        assert code == 130
    else:
        with within(5):
            code, shown = _on_terminal("list", "--retry-for", "0")
        assert (code, rule.fired) == (1, 1)
        assert "503" in shown


@pytest.mark.slow
def test_colors_are_printed_only_on_a_terminal_that_allows_them(bucket: str) -> None:
    assert "\x1b[31merror\x1b[0m" in _on_terminal("show", "x")[1]
    assert "\x1b" not in _on_terminal("show", "x", NO_COLOR="1")[1]
    assert "\x1b" not in _on_terminal("show", "x", TERM="dumb")[1]


def test_rm_asks_on_a_terminal(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    code, shown = _on_terminal("rm", audio_id, typed=b"n\n")
    assert code == 1
    assert "morning-in-c.mp3" in shown
    assert "nothing was done" in shown
    assert run("show", audio_id).returncode == 0
    assert _on_terminal("rm", audio_id, typed=b"y\n")[0] == 0
    assert run("show", audio_id).returncode == 3


def test_rm_does_not_ask_with_yes(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    code, shown = _on_terminal("rm", audio_id, "--yes", typed=b"n\n")
    assert code == 0
    assert "[y/N]" not in shown


def test_get_does_not_fill_a_terminal_with_bytes(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    code, shown = _on_terminal("get", audio_id, "-o", "-")
    assert code == 2
    assert "standard output is a terminal" in shown


def _interrupted(stalled: Rule, *args: str | Path, limit_s: float = 2) -> tuple[int, str]:
    """Run a command until the server stalls it, press Ctrl-C, and wait for its end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not inherited as ignored
    try:
        process = subprocess.Popen(
            [*COMMAND, *map(str, args)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        wait_until(lambda: stalled.fired)
        with within(limit_s):
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=PATIENCE_S)
        return process.returncode, stderr
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_ends_a_stalled_put_and_says_how_to_resume(run: Run, server: StrictServer) -> None:
    stalled = server.fault(faults.upload_of("audio.mp3"), faults.stall_after(60))
    code, stderr = _interrupted(stalled, "put", MP3, "--thumbnail", COVER)
    assert code == 130
    assert stderr.count("\n") == 1
    assert stderr == "audiostore: interrupted: run the same command again to resume\n"
    stalled.cancel()
    again = run("put", MP3, "--thumbnail", COVER)
    assert again.returncode == 0
    assert len(server.objects("bucket")) == 2  # that of the interrupted run, and no other


@pytest.mark.slow
def test_ctrl_c_ends_a_stalled_list(server: StrictServer) -> None:
    code, stderr = _interrupted(server.fault(faults.listing, faults.stall(60)), "list")
    assert (code, stderr.count("\n")) == (130, 1)
