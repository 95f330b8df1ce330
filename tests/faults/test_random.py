"""Puts, attaches, deletes, faults and kills in any order, on every store."""

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from google.api_core import exceptions
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from audiostore import (
    AssetConflictError,
    AssetNotFoundError,
    AudioStorageManager,
    IntegrityError,
    LocalStore,
    MemoryStore,
    RetryConfig,
)
from audiostore.stores.gcs import upload
from tests.assets import BUCKET, JPG, OGG, OTHER_JPG, PNG, mp3_bytes
from tests.faults.reader import (
    BucketReader,
    DirectoryReader,
    Reader,
    Shown,
    Thing,
    Truth,
    agree,
    check,
    shown,
)
from tests.faults.rig import ID, OTHER_ID, gcs, settled
from tests.fuzzing import examples
from tests.gcs_server import StrictServer, faults

pytestmark = pytest.mark.row("random")

AUDIOS = {
    "a.mp3": mp3_bytes(1668),
    "b.mp3": mp3_bytes(2085),
    "long.mp3": mp3_bytes(300_240),
    "c.ogg": OGG.read_bytes(),
}
COVERS = {"a.jpg": JPG.read_bytes(), "b.jpg": OTHER_JPG.read_bytes(), "c.png": PNG.read_bytes()}
State = tuple[bytes, bytes | None] | None


class Killed(BaseException):
    """The process ends here, as far as the library can tell."""


class Mortal:
    """A store at whose nth call something happens, before or after it is done."""

    CALLS = ("put", "open", "stat", "list", "update", "delete")

    def __init__(self, store: Any) -> None:
        self._store = store
        self._left = 0
        self._happens: Callable[[], BaseException] | None = None
        self._after = False

    def plan(self, number: int, happens: Callable[[], BaseException], *, after: bool) -> None:
        self._left, self._happens, self._after = number, happens, after

    def clear(self) -> None:
        self._happens = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if name not in self.CALLS:
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            due = self._happens is not None and self._left == 0
            happens = self._happens
            if due and not self._after and happens:
                raise happens()
            result = value(*args, **kwargs)
            if name == "list":
                result = iter(list(result))
            if due and happens:
                raise happens()
            return result

        return call


class MemoryReader:
    """The memory store, object by object."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def things(self) -> dict[str, Thing]:
        return {
            blob.name: Thing(
                blob.name, self._store.open(blob).read(1 << 30), blob.generation, blob.metadata
            )
            for blob in self._store.list("")
        }


WIRE_FAULTS = {
    "503": faults.respond(503),
    "429": faults.respond(429),
    "403": faults.respond(403),
    "reset": faults.reset(0),
    "reset in the body": faults.reset(700),
    "lost": faults.lose_response(),
    "lost politely": faults.lose_response("close"),
    "cut short": faults.truncate_response(20),
    "flipped": faults.flip_request(900),
    "gone": faults.expire(410),
    "nothing taken": faults.accept_only(0),
}
TROUBLE = st.one_of(
    st.none(),
    st.tuples(st.just("kill"), st.integers(1, 7), st.booleans()),
    st.tuples(st.just("error"), st.integers(1, 7), st.booleans()),
    st.tuples(st.sampled_from(sorted(WIRE_FAULTS)), st.integers(0, 6), st.integers(1, 4)),
)
IDS = st.sampled_from([ID, OTHER_ID])


class Promise(RuleBasedStateMachine):
    """Does something, perhaps with trouble in between, and looks at what is there."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.local = folder / "local"
        self.local.mkdir()
        self.server: StrictServer | None = None
        self.reader: Reader
        inner: Any
        if self.kind == "memory":
            inner = MemoryStore()
            self.reader = MemoryReader(inner)
        elif self.kind == "directory":
            inner = LocalStore(folder / "store")
            self.reader = DirectoryReader(folder / "store")
        else:
            self.server = self.stack.enter_context(StrictServer(BUCKET, directory=folder))
            inner = gcs(self.server)
            self.reader = BucketReader(self.server.host, BUCKET)
        self.store = Mortal(inner)
        self.manager = self.stack.enter_context(
            AudioStorageManager(
                store=self.store,
                retry_config=RetryConfig(3, 0, 0),
            )
        )
        self.waiting: dict[str, set[bytes | None]] = {ID: {None}, OTHER_ID: {None}}

    def teardown(self) -> None:
        self.stack.close()

    @rule(
        audio_id=IDS,
        audio=st.sampled_from(sorted(AUDIOS)),
        cover=st.one_of(st.none(), st.sampled_from(sorted(COVERS))),
        trouble=TROUBLE,
    )
    def put(self, audio_id: str, audio: str, cover: str | None, trouble: Any) -> None:
        before = self.states()
        files = self.files(audio, cover)
        paths = list(files)
        wanted = (AUDIOS[audio], COVERS[cover] if cover else None)
        done = self.attempt(
            lambda: self.manager.upload_audio_with_thumbnail(
                *paths, audio_id=audio_id, cleanup=True
            ),
            trouble,
        )
        old = before.get(audio_id)
        covers = {wanted[1]} if cover else {None, *self.waiting[audio_id]}
        new: set[State] = {(wanted[0], c) for c in covers}
        if old is not None:
            allowed: set[State] = {old}
            if done:
                assert old[0] == wanted[0]
                assert not cover or old[1] == wanted[1]
        else:
            allowed = new if done else {None, *new}
        self.look(before, audio_id, allowed, files)

    @rule(audio_id=IDS, cover=st.sampled_from(sorted(COVERS)), trouble=TROUBLE)
    def attach(self, audio_id: str, cover: str, trouble: Any) -> None:
        before = self.states()
        files = self.files(None, cover)
        (path,) = files
        done = self.attempt(lambda: self.manager.upload_thumbnail_file(path, audio_id), trouble)
        old = before.get(audio_id)
        if old is None:
            self.waiting[audio_id].add(COVERS[cover])
            allowed: set[State] = {None}
        else:
            allowed = {(old[0], COVERS[cover])}
            if not done:
                allowed.add(old)
        self.look(before, audio_id, allowed, files)

    @rule(audio_id=IDS, trouble=TROUBLE)
    def delete(self, audio_id: str, trouble: Any) -> None:
        before = self.states()
        done = self.attempt(lambda: self.manager.delete(audio_id), trouble)
        allowed: set[State] = {None}
        if not done:
            allowed.add(before.get(audio_id))
        self.look(before, audio_id, allowed, {})
        if done:
            assert not [name for name in self.reader.things() if audio_id in name]
            self.waiting[audio_id] = {None}

    @rule(audio_id=IDS, trouble=TROUBLE)
    def download(self, audio_id: str, trouble: Any) -> None:
        before = self.states()
        target = self.local / "downloaded"
        done = self.attempt(lambda: self.manager.download(audio_id, target), trouble)
        old = before.get(audio_id)
        if done:
            assert old is not None
            assert target.read_bytes() == old[0]
            target.unlink()
        assert list(self.local.iterdir()) == []
        self.look(before, audio_id, {old}, {})

    def files(self, audio: str | None, cover: str | None) -> dict[Path, bytes]:
        made = {}
        for name, pool in ((audio, AUDIOS), (cover, COVERS)):
            if name:
                (self.local / name).write_bytes(pool[name])
                made[self.local / name] = pool[name]
        return made

    def attempt(self, call: Callable[[], object], trouble: Any) -> bool:
        """Do it; say whether it returned."""
        self.prepare(trouble)
        try:
            call()
        except Killed:
            return False
        except (AssetConflictError, AssetNotFoundError):
            return False  # whether rightly so is seen in what is there
        except (OSError, IntegrityError, exceptions.GoogleAPICallError):
            assert trouble, "failed without a reason"
            return False
        finally:
            self.store.clear()
            if self.server is not None:
                self.server.clear_faults()
                settled(self.server)
        return True

    def prepare(self, trouble: Any) -> None:
        match trouble:
            case ("kill", int(number), bool(after)):
                self.store.plan(number, lambda: Killed("here"), after=after)
            case ("error", int(number), bool(after)):
                self.store.plan(number, lambda: ConnectionError("broken"), after=after)
            case (str(name), int(skip), int(times)):
                if self.server is not None:
                    self.server.fault(faults.any_request, WIRE_FAULTS[name], times, skip)
                else:
                    happens = OSError(5, "Input/output error")
                    self.store.plan(skip + 1, lambda: happens, after=times > 2)
            case _:
                pass

    def states(self) -> dict[str, tuple[bytes, bytes | None]]:
        return {i: _state(asset) for i, asset in shown(self.reader.things()).items()}

    def look(
        self,
        before: dict[str, tuple[bytes, bytes | None]],
        audio_id: str,
        allowed: set[State],
        local: dict[Path, bytes],
    ) -> None:
        """See that only what may change has changed, and that no file was lost."""
        truths = {
            i: Truth(state[0], (state[1],), must_be_there=True)
            for i, state in before.items()
            if i != audio_id
        }
        things = self.reader.things()
        assets = shown(things)
        now = _state(assets[audio_id]) if audio_id in assets else None
        assert now in allowed, "the asset is not what it may be"
        if now is not None:
            truths[audio_id] = Truth(now[0], (now[1],))
        agree(self.manager, check(things, truths, local), [ID, OTHER_ID])
        for path in self.local.iterdir():
            path.unlink()


def _state(asset: Shown) -> tuple[bytes, bytes | None]:
    return asset.audio.data, asset.cover.data if asset.cover else None


EXAMPLES = {"memory": 150, "directory": 60, "gcs": 50}


@pytest.fixture(autouse=True)
def _small_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "ONE_REQUEST_BYTES", 200_000)


@pytest.mark.parametrize("store", sorted(EXAMPLES))
def test_the_promise_holds_in_any_sequence(store: str) -> None:
    machine = type(f"Promise_{store}", (Promise,), {"kind": store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(EXAMPLES[store]),
            stateful_step_count=12,
            deadline=None,
            database=None,
            derandomize=os.environ.get("CI") == "true",
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
