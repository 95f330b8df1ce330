"""Managing what is stored, to be killed, disturbed and interleaved at each of its steps.

A step is one call of a store, which changes one object or none. What is done between two steps
nobody else sees: so killed before each step, and let through, it was killed everywhere.
"""

import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from audiostore import AudioStorageManager, LocalStore, MemoryStore, RetryConfig
from audiostore.asset.copy import copy_asset
from audiostore.audit.checking import Checker
from audiostore.audit.problems import Problem
from audiostore.audit.repairing import repair
from audiostore.errors import AssetNotFoundError
from audiostore.lifecycle.planning import apply_plan, make_plan
from audiostore.lifecycle.policy import Policy
from audiostore.lifecycle.recognition import recognise
from audiostore.lifecycle.rules import rules_of
from audiostore.stores.gcs.store import GcsStore
from tests.assets import JPG, MP3, OGG, OTHER_JPG, PNG, Store
from tests.faults.reader import BucketReader, DirectoryReader, Shown, Thing, Truth, agree, check
from tests.faults.rig import ID, OTHER_ID, QUICK
from tests.gcs_server import AS_NEW, StrictServer
from tests.gcs_server.buckets import Bucket

ONCE = RetryConfig(1)
WEEK_S = 7 * 24 * 3600
DAY = timedelta(days=1)
EXPIRY = datetime(2031, 5, 1, tzinfo=UTC)
SONG, COVER, NEW_COVER = MP3.read_bytes(), JPG.read_bytes(), OTHER_JPG.read_bytes()
OTHER_KIND = PNG.read_bytes()
STEPS = frozenset(
    {
        "put",
        "open",
        "stat",
        "list",
        "update",
        "copy",
        "delete",
        "list_deleted",
        "restore",
        "purge",
        "settings",
        "change_settings",
        "reclass",
        "foreign_files",
        "noncurrent",
    }
)
_LISTINGS = frozenset({"list", "list_deleted", "foreign_files"})


class KilledError(BaseException):
    """The process that made this call is no more."""


class Steps:
    """Counts the calls of stores, and does something before one of them."""

    def __init__(
        self,
        act: Callable[[], object] | None = None,
        at: int | None = None,
        *,
        watch: Callable[[], object] = lambda: None,
    ) -> None:
        self.count = 0
        self._act = act
        self._at = at
        self._watch = watch
        self._is_dead = False

    @property
    def reached(self) -> bool:
        """Whether there was such a call."""
        return self._at is not None and self.count >= self._at

    def step(self) -> None:
        """Count a call that is about to be made."""
        if self._is_dead:
            raise KilledError
        self.count += 1
        self._watch()
        if self.count == self._at:
            if self._act is None:
                self._is_dead = True
                raise KilledError
            self._act()


def stepped(store: Store, steps: Steps) -> Store:
    """Return a store whose calls are counted."""
    return cast(Store, _Stepped(store, steps))


class _Stepped:
    def __init__(self, store: Store, steps: Steps) -> None:
        self._store = store
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._store, name)
        if name not in STEPS:
            return inner

        def call(*args: Any, **options: Any) -> Any:
            self._steps.step()
            return inner(*args, **options)

        def listing(*args: Any, **options: Any) -> Iterator[Any]:
            self._steps.step()
            yield from inner(*args, **options)

        return listing if name in _LISTINGS else call


@dataclass
class Stage:
    """A store with something in it, and one more to copy to."""

    kind: str
    store: Store
    target: Store
    _read: Callable[[], dict[str, Thing]] = field(repr=False)
    leftovers: Callable[[], list[str]] = list
    """Returns what is neither an object nor in the trash, but was left by one."""

    @property
    def manager(self) -> AudioStorageManager:
        """What nobody disturbs."""
        return AudioStorageManager(store=self.store, retry_config=ONCE)

    @property
    def copies(self) -> AudioStorageManager:
        """What was copied."""
        return AudioStorageManager(store=self.target, retry_config=ONCE)

    def things(self) -> dict[str, Thing]:
        """Return every object, as an independent reader sees it."""
        return self._read()

    def upload(self, audio_id: str = ID, audio: Path = MP3, cover: Path | None = JPG) -> None:
        """Store an asset."""
        upload(self.manager, audio_id, audio, cover)

    def problems(self, now: datetime | None = None) -> list[Problem]:
        """Check the store; by default with nothing too young to be a problem."""
        moment = now or datetime.now(UTC) + 2 * DAY
        return list(Checker(self.manager, now=lambda: moment, sleep=lambda _: None).run())


def upload(
    manager: AudioStorageManager,
    audio_id: str,
    audio: Path = MP3,
    cover: Path | None = JPG,
    **options: Any,
) -> None:
    """Store an asset without looking inside, which takes a process."""
    manager.upload_audio_with_thumbnail(
        audio, cover, audio_id=audio_id, check="none", artwork="none", **options
    )


def attach(manager: AudioStorageManager, cover: Path) -> None:
    """Give the asset other artwork."""
    manager.upload_thumbnail_file(cover, ID, check="none")


@contextmanager
def stages(kind: str, folder: Path, most: int = 60) -> Iterator[Iterator[Stage]]:
    """Yield empty stores of a kind, one after the other."""
    if kind in BUCKETS:
        with buckets(folder, most, kind) as (_, fresh):
            yield fresh
        return
    with closing(_shown(kind, folder, most)) as shown:
        yield shown


def _shown(kind: str, folder: Path, most: int) -> Generator[Stage, None, None]:
    for number in range(most):
        yield in_memory() if kind == "memory" else _in_directory(folder / f"{number}")


BUCKETS: Mapping[str, Mapping[str, Any]] = {
    "gcs": AS_NEW,
    "versioned": {**AS_NEW, "versioning": {"enabled": True}},
    "hierarchical": {**AS_NEW, "hierarchicalNamespace": {"enabled": True}},
}


@contextmanager
def buckets(
    folder: Path, most: int = 60, kind: str = "gcs"
) -> Iterator[tuple[StrictServer, Iterator[Stage]]]:
    """Yield a server, and empty buckets on it, one after the other."""
    names = [f"bucket-{number}" for number in range(2 * most)]
    with (
        StrictServer(*names, directory=folder, bucket_settings=BUCKETS[kind]) as server,
        closing(_in_turn(kind, server, names)) as fresh,
    ):
        yield server, fresh


def _in_turn(kind: str, server: StrictServer, names: Sequence[str]) -> Generator[Stage, None, None]:
    for name, other in zip(names[::2], names[1::2], strict=True):
        store, target = (GcsStore(each, emulator=server.url) for each in (name, other))
        read = BucketReader(server.host, name).things

        def leftovers(pair: tuple[str, str] = (name, other)) -> list[str]:
            homes = [server.state.bucket(each) for each in pair]
            return [left for home in homes for left in (*home.noncurrent, *_empty_folders(home))]

        with closing(store), closing(target):
            yield Stage(kind, store, target, read, leftovers)


def _empty_folders(home: Bucket) -> list[str]:
    """Return the folders without an object; all assets share the top one, which stays."""
    return [
        folder
        for folder in home.folders
        if folder != "audio/" and not any(name.startswith(folder) for name in home.names)
    ]


def in_memory(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Stage:
    """Return two empty stores in memory."""
    store = MemoryStore("a", now=now)

    def read() -> dict[str, Thing]:
        found = {}
        for blob in store.list(""):
            with closing(store.open(blob)) as reader:
                data = reader.read(1 << 24)
            found[blob.name] = Thing(blob.name, data, blob.generation, blob.metadata)
        return found

    return Stage("memory", store, MemoryStore("b"), read)


def _in_directory(folder: Path) -> Stage:
    shutil.rmtree(folder, ignore_errors=True)
    store, target = LocalStore(folder / "a"), LocalStore(folder / "b")
    for each in (store, target):
        each.change_settings(each.settings(), soft_delete_s=WEEK_S)
    return Stage("local", store, target, DirectoryReader(folder / "a").things)


# -- what is done ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Something that an operator does; what is visible meanwhile, and what is so when it is done.

    `finished_by` are errors with which a second run may say that the first one had done it all.
    """

    name: str
    prepare: Callable[[Stage], object]
    do: Callable[[AudioStorageManager, Stage], object]
    done: Callable[[Stage], None]
    truths: Mapping[str, Truth] = field(default_factory=dict)
    finished_by: tuple[type[Exception], ...] = ()
    not_on: tuple[str, ...] = ()


ONE = {ID: Truth(SONG, (COVER,))}
EITHER = {ID: Truth(SONG, (COVER, NEW_COVER, OTHER_KIND))}
EITHER_OR_BARE = {ID: Truth(SONG, (COVER, NEW_COVER, OTHER_KIND, None))}
BOTH = {ID: Truth(SONG, (COVER,)), OTHER_ID: Truth(OGG.read_bytes(), (NEW_COVER,))}
DELETED_ID, REPAIRED_ID = (f"{number:08d}{ID[8:]}" for number in (1, 2))


def shown(stage: Stage, work: Work) -> dict[str, Shown]:
    """See that what is visible is whole, and what the library shows."""
    assets = check(stage.things(), work.truths, {})
    agree(stage.manager, assets, list(work.truths))
    return assets


def whole(stage: Stage, cover: bytes = COVER, audio_id: str = ID, objects: int = 2) -> None:
    """See that the asset is there, with this artwork, and nothing else."""
    things = stage.things()
    check(things, {**BOTH, **EITHER, REPAIRED_ID: ONE[ID]}, {})
    found = stage.manager.get(audio_id)
    assert not found.warnings
    assert found.audio is not None
    assert found.thumbnail is not None
    assert things[found.thumbnail.name].data == cover
    assert found.audio.metadata["thumbnail_generation"] == str(found.thumbnail.generation)
    assert len(things) == objects, sorted(things)


def nothing(stage: Stage) -> None:
    assert stage.things() == {}


def _deleted(stage: Stage) -> None:
    stage.upload()
    stage.manager.delete(ID)


def _lived(stage: Stage) -> None:
    """Live through changes, which leave older generations in the trash; be deleted at last."""
    stage.upload(cover=OTHER_JPG)
    attach(stage.manager, JPG)
    stage.manager.set_class(ID, "COLDLINE")
    stage.manager.delete(ID)


def _gone_but_restorable(stage: Stage) -> None:
    nothing(stage)
    stage.manager.restore(ID)
    whole(stage)


def _gone_for_good(stage: Stage) -> None:
    nothing(stage)
    assert list(stage.store.list_deleted("")) == []


def _hold(stage: Stage) -> None:
    stage.upload()
    stage.manager.hold(ID)


def _held(stage: Stage) -> None:
    whole(stage)
    assert all(blob.temporary_hold for blob in stage.store.list(""))


def _released(stage: Stage) -> None:
    whole(stage)
    assert not any(blob.temporary_hold for blob in stage.store.list(""))


def _expiring(stage: Stage) -> None:
    whole(stage)
    assert {blob.custom_time for blob in stage.store.list("")} == {EXPIRY}


def _expiring_with_new_artwork(stage: Stage) -> None:
    whole(stage, NEW_COVER)
    assert {blob.custom_time for blob in stage.store.list("")} == {EXPIRY}


def _expire(stage: Stage) -> None:
    stage.upload()
    stage.manager.expire(ID, EXPIRY)


def _annotated(stage: Stage) -> None:
    whole(stage)
    found = stage.manager.get(ID).audio
    assert found is not None
    assert found.metadata["mood"] == "calm"


def _moved(stage: Stage) -> None:
    whole(stage)
    found = stage.manager.get(ID).audio
    assert found is not None
    assert found.storage_class == "COLDLINE"


def _superseded(stage: Stage) -> None:
    whole(stage, objects=4)
    whole(stage, NEW_COVER, OTHER_ID, 4)
    old, new = stage.manager.get(ID).audio, stage.manager.get(OTHER_ID).audio
    assert old is not None
    assert new is not None
    assert (old.metadata["superseded_by"], new.metadata["supersedes"]) == (OTHER_ID, ID)


def _superseded_and_trashed(stage: Stage) -> None:
    whole(stage, NEW_COVER, OTHER_ID)
    assert [trashed.audio_id for trashed in stage.manager.trash.list()] == [ID]
    assert stage.manager.trash.get(ID).audio.blob.metadata["superseded_by"] == OTHER_ID


def _copy(manager: AudioStorageManager, stage: Stage) -> None:
    copies = AudioStorageManager(store=stage.target, retry_config=QUICK)
    copy_asset(manager.store, copies.store, manager.get(ID))


def _copied(stage: Stage) -> None:
    whole(stage)
    found, copy = stage.manager.get(ID), stage.copies.get(ID)
    assert found.audio is not None
    assert copy.audio is not None
    assert copy.thumbnail is not None
    assert copy.audio.crc32c == found.audio.crc32c
    assert not copy.warnings
    assert len(list(stage.target.list(""))) == 2


POLICY = Policy(nearline_after_days=1, expire_on_custom_time=True)


def _ageing(stage: Stage) -> None:
    stage.upload()
    stage.store.change_settings(stage.store.settings(), lifecycle_rules=rules_of(POLICY))


def _expired(stage: Stage) -> None:
    _ageing(stage)
    stage.manager.expire(ID, datetime.now(UTC) + DAY)


def _run_lifecycle(manager: AudioStorageManager, _stage: Stage) -> None:
    for action in manager.lifecycle.run(now=datetime.now(UTC) + 2 * DAY):
        assert action.outcome in ("done", "gone")


def _aged(stage: Stage) -> None:
    whole(stage)
    found = stage.manager.get(ID).audio
    assert found is not None
    assert found.storage_class == "NEARLINE"


def _apply(manager: AudioStorageManager, _stage: Stage) -> None:
    apply_plan(make_plan(POLICY, manager.admin), manager.admin)


def _applied(stage: Stage) -> None:
    whole(stage)
    assert tuple(filter(recognise, stage.store.settings().lifecycle_rules)) == rules_of(POLICY)


def _damaged(stage: Stage) -> None:
    """Leave several halves behind: an orphan, a deletion, a restoration, a cover of old."""
    stage.upload()
    stage.manager.upload_thumbnail_file(OTHER_JPG, OTHER_ID, check="none")
    stage.upload(DELETED_ID)
    audio = stage.manager.get(DELETED_ID).audio
    assert audio is not None
    stage.store.delete(audio)
    stage.upload(REPAIRED_ID)
    stage.manager.delete(REPAIRED_ID)
    trashed = stage.manager.trash.get(REPAIRED_ID).thumbnail
    assert trashed is not None
    stage.store.restore(trashed)


def _repair(manager: AudioStorageManager, _stage: Stage) -> None:
    now = datetime.now(UTC) + 2 * DAY
    for problem in Checker(manager, now=lambda: now, sleep=lambda _: None).run():
        assert repair(manager, problem, now=now) in ("done", "changed")


def _healthy(stage: Stage) -> None:
    assert stage.problems() == []
    whole(stage, objects=4)
    assert not stage.manager.get(REPAIRED_ID).warnings


GONE = (AssetNotFoundError,)
WORKS = (
    Work(
        "delete", Stage.upload, lambda m, _: m.delete(ID), _gone_but_restorable, ONE,
        finished_by=GONE,
    ),
    Work(
        "delete for good", Stage.upload, lambda m, _: m.delete(ID, permanent=True), _gone_for_good,
        ONE, finished_by=GONE, not_on=("gcs",),
    ),
    Work("restore", _deleted, lambda m, _: m.restore(ID), whole, ONE),
    Work("restore what lived", _lived, lambda m, _: m.restore(ID), whole, ONE),
    Work(
        "purge", _deleted, lambda m, _: m.trash.purge(ID), _gone_for_good, ONE, finished_by=GONE,
        not_on=("gcs",),
    ),
    Work("hold", Stage.upload, lambda m, _: m.hold(ID), _held, ONE),
    Work(
        "release", _hold, lambda m, _: m.release(ID),
        _released, ONE,
    ),
    Work("expire", Stage.upload, lambda m, _: m.expire(ID, EXPIRY), _expiring, ONE),
    Work(
        "annotate", Stage.upload, lambda m, _: m.update_metadata(ID, {"mood": "calm"}), _annotated,
        ONE,
    ),
    Work("set class", Stage.upload, lambda m, _: m.set_class(ID, "COLDLINE"), _moved, ONE),
    Work(
        "replace artwork", Stage.upload, lambda m, _: attach(m, OTHER_JPG),
        lambda s: whole(s, NEW_COVER), EITHER,
    ),
    Work(
        "replace artwork by another kind", Stage.upload, lambda m, _: attach(m, PNG),
        lambda s: whole(s, OTHER_KIND), EITHER,
    ),
    Work(
        "replace artwork of what expires", _expire, lambda m, _: attach(m, OTHER_JPG),
        _expiring_with_new_artwork, EITHER,
    ),
    Work(
        "supersede", Stage.upload,
        lambda m, _: upload(m, OTHER_ID, OGG, OTHER_JPG, supersedes=ID), _superseded, BOTH,
    ),
    Work(
        "supersede and trash", Stage.upload,
        lambda m, _: upload(
            m, OTHER_ID, OGG, OTHER_JPG, supersedes=ID, trash_superseded=True
        ),
        _superseded_and_trashed, BOTH,
    ),
    Work("copy", Stage.upload, _copy, _copied, ONE),
    Work("lifecycle run that moves", _ageing, _run_lifecycle, _aged, ONE, not_on=("gcs",)),
    Work(
        "lifecycle run that expires", _expired, _run_lifecycle, _gone_but_restorable, ONE,
        not_on=("gcs",),
    ),
    Work(
        "lifecycle apply", Stage.upload, _apply,
        _applied, ONE,
    ),
    Work(
        "check and repair", _damaged, _repair, _healthy,
        {**ONE, REPAIRED_ID: ONE[ID]},
    ),
)  # fmt: skip
BY_NAME = {work.name: work for work in WORKS}
