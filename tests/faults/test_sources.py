"""Rows 21-23: the local file changes while it uploads."""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

from audiostore import (
    AudioStorageManager,
    Event,
    LocalStore,
    MemoryStore,
    Progress,
    RetryConfig,
    SourceChangedError,
)
from tests.assets import BUCKET
from tests.faults.reader import DirectoryReader, Reader, Truth, check
from tests.faults.rig import (
    ID,
    QUICK,
    Files,
    assert_whole,
    gcs,
    in_sessions,
    make_files,
    managing,
    reader_of,
    settled,
)
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S

SIZE = 5 << 20  # several reads, whoever reads


def truncate(path: Path) -> None:
    os.truncate(path, 1 << 20)


def truncate_last_byte(path: Path) -> None:
    os.truncate(path, SIZE - 1)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite_ahead(path: Path) -> None:
    """Change bytes that are still to be sent."""
    with path.open("r+b") as file:
        file.seek(SIZE - 100)
        file.write(b"changed")


def overwrite_after(path: Path) -> None:
    """Change bytes that have been sent."""
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"changed")


def overwrite_secretly(path: Path) -> None:
    """Change bytes and put the modification time back."""
    status = path.stat()
    overwrite_ahead(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def exchange(path: Path) -> None:
    """Put another file of the same length in the place."""
    other = path.with_suffix(".new")
    other.write_bytes(b"\xff\xfb\x90\x64" + bytes(SIZE - 4))
    other.replace(path)


def delete(path: Path) -> None:
    path.unlink()


CHANGES = [
    pytest.param(change, marks=pytest.mark.row(row), id=change.__name__)
    for change, row in (
        (truncate, 21),
        (truncate_last_byte, 21),
        (append, 22),
        (overwrite_ahead, 22),
        (overwrite_after, 22),
        (overwrite_secretly, 22),
        (exchange, 22),
        (delete, 23),
    )
]
TARGETS = pytest.mark.parametrize("target", ["one request", "session", "directory", "memory"])


class Rig:
    """A manager on some store that changes the file at a moment of the upload."""

    def __init__(
        self, target: str, tmp_path: Path, stack: ExitStack, change: Callable[[], None]
    ) -> None:
        self._change: Callable[[], None] | None = change
        if target == "directory":
            self.reader: Reader = DirectoryReader(tmp_path / "store")
            store: object = LocalStore(tmp_path / "store")
        elif target == "memory":
            memory = MemoryStore()
            self.reader = DirectoryReader(tmp_path / "none")
            self.memory = memory
            store = memory
        else:
            server = stack.enter_context(StrictServer(BUCKET, directory=tmp_path))
            self.reader = reader_of(server)
            store = gcs(server, chunk_bytes=1 << 20)
            stack.callback(settled, server)
        self.manager = AudioStorageManager(
            store=store,  # type: ignore[arg-type]
            retry_config=QUICK,
            on_event=self._listen,
        )
        stack.callback(self.manager.close)

    def _listen(self, event: Event) -> None:
        if isinstance(event, Progress) and event.name.endswith(".mp3") and event.done_bytes:
            change, self._change = self._change, None
            if change:
                change()


@TARGETS
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_during_its_upload_is_kept_and_not_mixed(
    target: str,
    change: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if target == "session":
        in_sessions(monkeypatch)
    files = make_files(tmp_path / "local", audio_bytes=SIZE)
    with ExitStack() as stack:
        rig = Rig(target, tmp_path, stack, lambda: change(files.audio))
        succeeded = True
        try:
            rig.manager.upload_audio_with_thumbnail(
                files.audio, files.cover, audio_id=ID, cleanup=True
            )
        except SourceChangedError:
            succeeded = False

        if target == "memory":
            assert len(list(rig.manager.list())) == succeeded
        else:
            assets = check(rig.reader.things(), files.truth, {})
            assert len(assets) == succeeded
    changed = change is not delete
    assert files.audio.exists() == (changed and files.audio.exists())
    if changed and change is not overwrite_secretly:
        assert files.audio.exists()  # a changed file is never deleted
        assert files.audio.read_bytes() != files.audio_bytes
    if change is overwrite_secretly:
        assert files.audio.exists()
    if not succeeded:
        assert files.cover.exists()


@pytest.mark.row(22)
@pytest.mark.parametrize("change", [append, overwrite_secretly, exchange])
@TARGETS
def test_a_file_that_changes_after_its_upload_is_kept_with_a_warning(
    target: str,
    change: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if target == "session":
        in_sessions(monkeypatch)
    files = make_files(tmp_path / "local", audio_bytes=SIZE)
    with ExitStack() as stack:
        rig = Rig(target, tmp_path, stack, lambda: None)
        store = rig.manager._store._store  # as the manager uses it
        real = store.list
        calls: list[int] = []

        def listing(prefix: str, *, start_after: str = "") -> object:
            calls.append(1)
            if len(calls) == 2:  # the look at the folder after the audio is stored
                change(files.audio)
            return real(prefix, start_after=start_after)

        monkeypatch.setattr(store, "list", listing)
        result = rig.manager.upload_audio_with_thumbnail(
            files.audio, files.cover, audio_id=ID, cleanup=True
        )

    assert len(calls) >= 2
    assert result.created
    assert len(result.warnings) == 1
    assert files.audio.exists()
    assert [p.name for p in files.audio.parent.iterdir()] == ["song.mp3"]
    assert not files.cover.exists()


@pytest.mark.row(21, 22, 23)
@pytest.mark.parametrize("change", [truncate, overwrite_ahead, exchange, delete])
def test_a_file_that_changes_while_its_upload_stalls(
    server: StrictServer,
    tmp_path: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_sessions(monkeypatch)
    files = make_files(tmp_path / "local", audio_bytes=SIZE)
    server.fault(faults.session_chunk, faults.respond(503), after=1, times=2)
    changed = threading.Event()

    def hook(_: object) -> None:
        if sum(r.operation == "session_chunk" for r in server.requests) == 2:
            if not changed.is_set():
                change(files.audio)
            changed.set()

    server.on_request = hook
    is_open = change in (exchange, delete)  # what was inspected can still be read
    with (
        managing(server, chunk_bytes=1 << 20) as manager,
        nullcontext() if is_open else pytest.raises(SourceChangedError),
    ):
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)

    server.on_request = None
    assert changed.wait(PATIENCE_S)  # the server may still be on its way to say so
    truth = {ID: Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)}
    local = {} if is_open else {files.cover: files.cover_bytes}
    assert len(check(reader_of(server).things(), truth if is_open else {}, local)) == is_open
    assert files.audio.exists() == (change is not delete)


@pytest.mark.row(22)
def test_a_file_put_back_after_a_change_is_stored_at_the_next_call(
    server: StrictServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sessions(monkeypatch)
    files = make_files(tmp_path / "local", audio_bytes=SIZE)
    once: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done_bytes and ".mp3" in event.name and not once:
            once.append(1)
            with files.audio.open("r+b") as file:  # in what is sent, but not at its very end
                file.seek(2 << 20)
                file.write(b"changed")

    with managing(server, chunk_bytes=1 << 20, on_event=listen) as manager:
        with pytest.raises(SourceChangedError):
            manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)
        files.restore()
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID)

    assert_whole(server, files)


@pytest.mark.row(23)
@pytest.mark.parametrize("which", ["audio", "cover"])
def test_a_file_deleted_between_the_two_writes(
    server: StrictServer, files: Files, which: str
) -> None:
    path = files.audio if which == "audio" else files.cover
    done: list[int] = []

    def hook(request: object) -> None:
        if getattr(request, "operation", "") == "upload" and not done:
            done.append(1)
            path.unlink()

    server.on_response = hook
    with managing(server, retry=RetryConfig(2, 0.01, 0.02)) as manager:
        # Both are open: what was inspected is stored.
        manager.upload_audio_with_thumbnail(files.audio, files.cover, audio_id=ID, cleanup=True)
    server.on_response = None
    truth = Truth(files.audio_bytes, (files.cover_bytes,), must_be_there=True)
    assert len(check(reader_of(server).things(), {ID: truth}, {})) == 1
