"""Child processes that do one call and may be killed in the middle of it.

`Nursery` starts one fresh interpreter without threads, which forks a child for every call: so a
kill costs milliseconds. Run as a module, this is that interpreter.
"""

import errno
import fcntl
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.timing import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
OPERATIONS = [
    "open",
    "read",
    "pread",
    "write",
    "pwrite",
    "fsync",
    "fdatasync",
    "link",
    "symlink",
    "rename",
    "replace",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "utime",
    "ftruncate",
    "truncate",
    "chmod",
    "fchmod",
    "lseek",
]


class Child:
    """A call that is under way in a process of its own."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)

    def go_on(self) -> None:
        """Let it go that was started with "stopped"."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> dict[str, Any]:
        """Wait for its end; {"killed": bool, "value": …, "error": …, "operations": [...]}."""
        return self._nursery.line()


class Nursery:
    """Makes children."""

    def __init__(self, state_home: Path) -> None:
        environment = {**os.environ, "XDG_STATE_HOME": str(state_home), "NO_GCE_CHECK": "true"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = b""
        self.state_home = state_home

    def start(self, call: Mapping[str, object]) -> Child:
        """Start a call; see `perform`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(dict(call)).encode() + b"\n")
        self._process.stdin.flush()
        return Child(self, int(self.line()["pid"]))

    def run(self, call: Mapping[str, object]) -> dict[str, Any]:
        """Start a call and wait for its end."""
        return self.start(call).wait()

    def line(self) -> dict[str, Any]:
        """Read one message."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([descriptor], [], [], PATIENCE_S)
            piece = os.read(descriptor, 1 << 16) if ready else b""
            if not piece:
                raise AssertionError("the nursery does not answer")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


# -- in the fresh interpreter ------------------------------------------------------------------


def serve() -> None:
    """Fork a child for every line of standard input."""
    import pytest  # noqa: PLC0415

    import audiostore.bulk.single  # noqa: PLC0415
    import audiostore.catalog.shards.exporting  # noqa: PLC0415
    import audiostore.cli.commands.put  # noqa: PLC0415
    import audiostore.cli.journals  # noqa: PLC0415
    import audiostore.cli.listing  # noqa: PLC0415
    import audiostore.cli.progress.asset  # noqa: PLC0415
    import audiostore.fleet.processes  # noqa: F401, PLC0415
    from audiostore.stores.gcs import store  # noqa: F401, PLC0415
    from audiostore.stores.local import LocalStore  # noqa: F401, PLC0415
    from tests.faults import broken, managing, parts, requesting, rig  # noqa: F401, PLC0415

    # A kill, unlike a power failure, loses nothing of what was written: syncing is counted as a
    # step, but not done, which makes the matrix ten times as fast.
    os.fsync = _synced
    rig.simulate_waits(pytest.MonkeyPatch())
    for line in sys.stdin.buffer:
        call = json.loads(line)
        receiver, sender = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(receiver)
            if call.get("stopped"):
                os.kill(os.getpid(), signal.SIGSTOP)
            try:
                answer = perform(call)
            except BaseException as error:  # noqa: BLE001
                answer = {"error": f"{type(error).__name__}: {error}"}
            os.write(sender, json.dumps(answer).encode())
            os._exit(0)
        os.close(sender)
        if call.get("stopped"):
            os.waitpid(pid, os.WUNTRACED)  # it stands still now
        _say({"pid": pid})
        answered = b""
        while piece := os.read(receiver, 1 << 16):
            answered += piece
        os.close(receiver)
        _, status = os.waitpid(pid, 0)
        answer = json.loads(answered) if answered else {}
        _say({"killed": os.WIFSIGNALED(status), **answer})


def _synced(fd: object) -> None:
    del fd


def _say(message: Mapping[str, object]) -> None:
    data = json.dumps(dict(message)).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def perform(call: dict[str, Any]) -> dict[str, Any]:
    """Do one call, counting file operations, and die at the one that was asked for.

    `call`: "do" (upload, attach, delete; request, an upload over HTTP; go on, with one in steps;
    serve, until it is killed, on a port that is written to the file "port"; adopt, of "audio" and
    "cover" in the bucket "old"; export, "to" a place; update, with a "library" and a "journal";
    put, the command, with "options", on a "root"; work, on a "chunk" of a "run"; clean, a "run"; or
    manage, with the name of a "work" that is none of copying), "url" of a server or "root" of a
    directory, "audio", "cover", "id", "id_is_new", "bucket" and "state" (as a program would: with
    sessions on disk), "one_request_bytes", "break" (a function of `broken`), "die_at" (number of
    the file operation, from 1), "die" ("before", "after"). With "name" it is done to one object of
    a directory: delete, overwrite, copy, restore, purge, expire, settings.
    """
    from audiostore import AudioStorageManager, LocalStore  # noqa: PLC0415
    from audiostore.stores.gcs import upload  # noqa: PLC0415
    from tests.faults import broken  # noqa: PLC0415
    from tests.faults.rig import QUICK, gcs  # noqa: PLC0415

    if "one_request_bytes" in call:
        upload.ONE_REQUEST_BYTES = call["one_request_bytes"]
    if "break" in call:
        getattr(broken, call["break"])()
    os.environ["XDG_STATE_HOME"] = call.get("state", os.environ["XDG_STATE_HOME"])
    if call["do"] == "put":
        return _put(call)
    if call["do"] == "work":
        return _work(call)
    if call["do"] == "clean":
        return _clean(call)
    if "bucket" in call:
        os.environ["STORAGE_EMULATOR_HOST"] = call["url"]
        manager = AudioStorageManager(call["bucket"], retry_config=QUICK)
    elif "url" in call:
        manager = AudioStorageManager(store=gcs(call["url"]), retry_config=QUICK)
    else:
        store = LocalStore(Path(call["root"]))
        if "name" in call:
            done = _count_operations(call.get("die_at"), call.get("die", "before"))
            change_object(store, call)
            return {"operations": list(done)}
        manager = AudioStorageManager(store=store, retry_config=QUICK)
    if call["do"] == "serve":
        from tests.faults.requesting import serve_until_killed  # noqa: PLC0415

        serve_until_killed(manager, Path(call["port"]), lambda: _count_operations(*_death(call)))
    with manager:
        done = _count_operations(*_death(call))
        result = _call(manager, call)
        return {"value": result, "operations": list(done)}


def _call(manager: Any, call: dict[str, Any]) -> dict[str, Any]:
    cleanup = call.get("cleanup", True)
    match call["do"]:
        case "upload":
            # Looking inside only reads, and starts a process: not here, thousands of times.
            result = manager.upload_audio_with_thumbnail(
                call["audio"],
                call.get("cover"),
                audio_id=call["id"],
                id_is_new=call.get("id_is_new", False),
                cleanup=cleanup,
                check="none",
            )
        case "update":
            from audiostore.bulk import find_items  # noqa: PLC0415

            outcomes = manager.bulk.upload(
                find_items([Path(call["library"])]),
                journal=call["journal"],
                update=True,
                check="none",
                concurrency=1,
            )
            return {str(each.item.source_path): [each.reason, each.audio_id] for each in outcomes}
        case "adopt":
            result = _adopt(manager, call)
        case "export":
            shards = manager.catalog.export_shards(call["to"], shard_bytes=3000, concurrency=1)
            return {each.uri: str(each.error) for each in shards if each.error}
        case "attach":
            result = manager.upload_thumbnail_file(call["cover"], call["id"], cleanup=cleanup)
        case "request":
            from tests.faults.requesting import put_over_http  # noqa: PLC0415

            return put_over_http(manager, call["id"], Path(call["audio"]), Path(call["cover"]))
        case "go on":
            from tests.faults.requesting import go_on_over_http  # noqa: PLC0415

            return go_on_over_http(manager, call["id"], Path(call["audio"]))
        case "manage":
            from tests.faults import parts  # noqa: PLC0415
            from tests.faults.managing import BY_NAME, in_memory  # noqa: PLC0415

            {**BY_NAME, **parts.BY_NAME}[call["work"]].do(manager, in_memory())
            return {}
        case _:
            manager.delete(call["id"])
            return {}
    return {
        "created": result.created,
        "warnings": list(result.warnings),
        "audio": result.audio.generation if result.audio else None,
        "thumbnail": result.thumbnail.generation if result.thumbnail else None,
    }


def _death(call: Mapping[str, Any]) -> tuple[int | None, str]:
    return call.get("die_at"), call.get("die", "before")


def _adopt(manager: Any, call: dict[str, Any]) -> Any:
    """Store an asset from two objects of another bucket."""
    from contextlib import closing  # noqa: PLC0415

    from audiostore import GcsStore, StoredSource  # noqa: PLC0415
    from audiostore.ingest import StoredFile, UploadOptions  # noqa: PLC0415
    from audiostore.stores import RetryingStore  # noqa: PLC0415
    from tests.faults.rig import QUICK  # noqa: PLC0415

    with closing(RetryingStore(GcsStore("old", emulator=call["url"]), QUICK)) as old:
        audio, cover = (
            StoredFile(StoredSource(old, old.stat(call[each]))) for each in ("audio", "cover")
        )
        return manager._uploads.adopt(
            call["id"], audio, cover, UploadOptions(check="none"), id_is_new=call["id_is_new"]
        )


def _put(call: dict[str, Any]) -> dict[str, Any]:
    """Run the command `put`; its transactions in the journal, and its output, are steps, too."""
    from audiostore.bulk.journal.database import JournalDatabase  # noqa: PLC0415
    from audiostore.cli import main  # noqa: PLC0415

    os.environ["GCS_BUCKET_NAME"] = Path(call["root"]).as_uri()
    sys.stdout = io.StringIO()
    done, counted = _counted(call.get("die_at"), call.get("die", "before"))
    for owner, name in ((JournalDatabase, "transaction"), (sys.stdout, "write")):
        setattr(owner, name, counted(name, getattr(owner, name)))
    code = main(["put", call["audio"], "--check", "none", *call.get("options", ())])
    return {"value": code, "out": sys.stdout.getvalue(), "operations": list(done)}


def _work(call: dict[str, Any]) -> dict[str, Any]:
    """Work on a chunk of a fleet run, as an engine calls it."""
    from audiostore import fleet  # noqa: PLC0415

    if "url" in call:
        os.environ["STORAGE_EMULATOR_HOST"] = call["url"]
    store = call.get("bucket") or Path(call["root"]).as_uri()
    done = _count_operations(call.get("die_at"), call.get("die", "before"))
    chunk = fleet.work(store, call["run"], call["chunk"])
    return {"value": [chunk.stored, chunk.done_before], "operations": list(done)}


def _clean(call: dict[str, Any]) -> dict[str, Any]:
    """Delete the old objects of a run that has adopted."""
    from audiostore import AudioStorageManager, fleet  # noqa: PLC0415

    os.environ["STORAGE_EMULATOR_HOST"] = call["url"]
    with AudioStorageManager(call["bucket"]) as manager:
        cleaned = [each.status for each in fleet.clean_adopted(manager, call["run"])]
    return {"value": cleaned, "operations": []}


def change_object(store: Any, call: dict[str, Any]) -> None:
    """Do something to one object; what is restored or purged is the oldest in the trash."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    from audiostore.errors import BlobNotFoundError  # noqa: PLC0415
    from audiostore.sources import BytesSource  # noqa: PLC0415
    from audiostore.stores.local import LocalStore  # noqa: PLC0415
    from audiostore.stores.protocol import BlobSpec  # noqa: PLC0415

    name = call["name"]
    try:
        generation = store.stat(name).generation
    except BlobNotFoundError:
        generation = 0
    match call["do"]:
        case "delete":
            store.delete(store.stat(name))
        case "overwrite":
            spec = BlobSpec(name, "x/y", {"number": "new"})
            store.put(spec, BytesSource(b"new"), if_generation_match=generation)
        case "copy":
            store.copy(
                store.stat(name), name, if_generation_match=generation, storage_class="ARCHIVE"
            )
        case "restore":
            store.restore(oldest_deleted(store, name), if_generation_match=generation)
        case "purge":
            store.purge(oldest_deleted(store, name))
        case "expire":
            later = datetime.now(UTC) + timedelta(days=int(call["days"]))
            store = LocalStore(Path(call["root"]), now=lambda: later)
            store.change_settings(store.settings())
        case "settings":
            store.change_settings(store.settings(), soft_delete_s=60)


def oldest_deleted(store: Any, name: str) -> Any:
    """Return what was deleted first; what cannot be read is not listed."""
    for deleted in store.list_deleted(name):
        return deleted
    raise OSError(errno.EIO, "not in the listing", name)


Counted = Callable[[str, Callable[..., Any]], Callable[..., Any]]


def _count_operations(die_at: int | None, die: str) -> list[str]:
    return _counted(die_at, die)[0]


def _counted(die_at: int | None, die: str) -> tuple[list[str], Counted]:
    """Count file operations; return their names, and what makes another function count."""
    done: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = len(done) + 1
            done.append(name)
            if number == die_at and die == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*args, **kwargs)
            finally:
                if number == die_at and die == "after":
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(name, getattr(os, name)))
    fcntl.flock = counted("flock", fcntl.flock)
    return done, counted


if __name__ == "__main__":
    serve()
