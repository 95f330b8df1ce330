"""Runs one tool through one trial and says what went wrong for its user."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.survival.tools import Task, Tool, environment
from benchmarks.survival.trials import Hook, Trial
from tests.assets import JPG, MP3
from tests.faults.kills import When
from tests.gcs_server import Request, StrictServer

_BUCKET = "bucket"
_ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
_LIMIT_S = 240.0
_TIMES = 3
"""Tools that store two files at once do not always finish the same one first."""

VISIBLE = "the track was visible without its cover"
LOST = "a local file was deleted that was not stored"
OVERWRITTEN = "the other track was overwritten"
STORED = "it was stored all the same"
SILENT = "it reported success"
UNFINISHED = "the same command again did not finish it"
WRONG = "what was stored has other bytes"


def run(tool: Tool, trial: Trial, scratch: Path, *, times: int = _TIMES) -> list[str]:
    """Return what went wrong, `times` times; nothing if the tool survived the trial each time."""
    found: set[str] = set()
    if not trial.is_kill:
        for number in range(times):
            found |= _attempt(tool, trial, scratch / str(number))[0]
        return sorted(found)
    whens: tuple[When, ...] = ("before", "after")
    for when in whens:
        for number in range(1, 100):
            wrong, killed = _attempt(tool, trial, scratch / f"{when}-{number}", number, when)
            found |= wrong
            if not killed:
                break
    return sorted(found)


def _attempt(
    tool: Tool, trial: Trial, scratch: Path, kill_at: int | None = None, when: When = "before"
) -> tuple[set[str], bool]:
    """Run the tool, and again if it failed; return what went wrong, and whether it was killed."""
    with _watched(trial, scratch) as watch:
        watch.kill_at, watch.when = kill_at, when
        code = watch.execute(tool)
        watch.look()
        killed, watch.kill_at = watch.killed, None
        if code and not trial.is_refusal:
            code = watch.execute(tool)
        return watch.seen | watch.verdict(code), killed


@contextmanager
def _watched(trial: Trial, scratch: Path) -> Iterator["_Watch"]:
    """Make files and a server, and let the trial prepare them."""
    folder, home = scratch / "files", scratch / "home"
    folder.mkdir(parents=True)
    home.mkdir()
    audio, cover = folder / "audio.mp3", folder / "thumbnail.jpg"
    audio.write_bytes(MP3.read_bytes())
    cover.write_bytes(JPG.read_bytes())
    with StrictServer(_BUCKET) as server:
        task = Task(server.url, _BUCKET, _ID, audio, cover, home)
        watch = _Watch(server, task, trial, trial.arrange(server, task))
        server.on_request, server.on_response = watch.request, watch.response
        yield watch


class _Watch:
    """Looks at the bucket after each request, and kills the tool at one of them."""

    def __init__(self, server: StrictServer, task: Task, trial: Trial, disturb: Hook | None):
        self._server = server
        self._task = task
        self._trial = trial
        self._disturb = disturb
        self._local: dict[Path, bytes] = {}
        self._before = self._stored()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = 0
        self.kill_at: int | None = None
        self.when: When = "before"
        self.killed = False
        self.seen: set[str] = set()
        self._read_files()

    def execute(self, tool: Tool) -> int:
        """Run the command to its end; return its exit code, negative if it was killed."""
        self._process = process = subprocess.Popen(
            tool.command(self._task),
            env=environment(self._task),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def request(self, _request: Request) -> None:
        """Count a request; kill before it is handled."""
        self._requests += 1
        if self.when == "before":
            self._kill_if_due()

    def response(self, request: Request) -> None:
        """Look at the bucket once a request was handled; kill before it is answered."""
        if self._disturb is not None:
            self._disturb(request)
        self._read_files()
        self.look()
        if self.when == "after":
            self._kill_if_due()

    def look(self) -> None:
        """Note whether a track is visible without its cover."""
        stored = self._stored()
        audio, cover = self._names()
        if audio in stored and cover not in stored:
            self.seen.add(VISIBLE)

    def verdict(self, code: int) -> set[str]:
        """Return what is wrong in the end, after the command ended with `code`."""
        stored = self._stored()
        wrong = set()
        for path, data in self._local.items():
            if not path.exists() and data not in stored.values():
                wrong.add(LOST)
        if self._trial.is_refusal:
            if code == 0:
                wrong.add(SILENT)
            audio, _ = self._names()
            if stored.get(audio) != self._before.get(audio):
                wrong.add(OVERWRITTEN if audio in self._before else STORED)
            return wrong
        if code:
            wrong.add(UNFINISHED)
        originals = dict(zip(self._names(), (MP3.read_bytes(), JPG.read_bytes()), strict=True))
        right = {name: (data, self._last(name)) for name, data in originals.items()}
        if any(stored[name] not in right[name] for name in originals.keys() & stored.keys()):
            wrong.add(WRONG)
        if not code and originals.keys() - stored.keys():
            wrong.add(UNFINISHED)
        return wrong

    def _kill_if_due(self) -> None:
        if self.kill_at is None or self._requests < self.kill_at or self.killed:
            return
        assert self._process is not None
        self.killed = True
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        raise ConnectionAbortedError("its client was killed")

    def _names(self) -> tuple[str, str]:
        return self._task.name(self._task.audio), self._task.name(self._task.cover)

    def _stored(self) -> dict[str, bytes]:
        return {
            each.name: self._server.read(_BUCKET, each.name)
            for each in self._server.objects(_BUCKET)
        }

    def _last(self, name: str) -> bytes:
        return next(data for path, data in self._local.items() if self._task.name(path) == name)

    def _read_files(self) -> None:
        """Note what the local files hold, as long as they are there."""
        for path in (self._task.audio, self._task.cover):
            with suppress(FileNotFoundError):
                self._local[path] = path.read_bytes()
