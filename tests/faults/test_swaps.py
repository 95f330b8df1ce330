"""A neighbour swaps or rewrites a local file at any moment of its upload.

Each upload is counted first, then run again once for each of its steps: before that step the file
changes. A step is a system call on a file, a read of the inspection, a request to the sandbox, or
a call of the store. Whatever happens, a file is kept or stored exactly, and what is stored carries
its own facts and its own artwork.
"""

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from audiostore import (
    AudioStorageManager,
    BulkItem,
    MemoryStore,
    RetryConfig,
    SourceChangedError,
    SourceNotFoundError,
)
from audiostore.ingest import prepare
from audiostore.media.artwork import scale_image
from audiostore.media.faststart import write_faststart
from audiostore.media.sandbox import process
from tests.assets import EXAMPLES, JPG, OTHER_JPG

pytestmark = [pytest.mark.row("swaps"), pytest.mark.slow]

SONG = (EXAMPLES / "paper-lanterns.m4a").read_bytes()
RETITLED = SONG.replace(b"Paper Lanterns", b"Other Lanterns")
"""As long as SONG."""
CALLS = ("open", "fstat", "stat", "lstat", "pread", "read", "rename", "link", "unlink")
MAX_PX = 100


@cache
def rendered() -> bytes:
    """Return another song: shorter, with other artwork, its index at its end too."""
    import av  # noqa: PLC0415  (FFmpeg, for this alone)

    out = io.BytesIO()
    with (
        av.open(io.BytesIO(SONG), "r") as source,
        av.open(out, "w", format="ipod", options={"brand": "M4A "}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        target.metadata.update({"title": "New Mix"})
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is not None and packet.pts * packet.time_base < 4:
                packet.stream = stream
                target.mux(packet)
    return out.getvalue()


@cache
def moved(data: bytes) -> bytes:
    out = io.BytesIO()
    write_faststart(io.BytesIO(data), out)
    return out.getvalue()


class Steps:
    """Counts the steps of what runs in the block, and has something happen before one of them."""

    def __init__(self, at: int | None = None, happen: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self._at = at
        self._happen = happen
        self._lock = threading.RLock()
        self._is_happening = False

    def step(self) -> None:
        with self._lock:
            if self._is_happening:
                return
            self.count += 1
            if self.count == self._at:
                self._is_happening = True
                self._happen()
                self._is_happening = False

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.step()
            return function(*args, **kwargs)

        return call

    @contextmanager
    def counting(self, store: MemoryStore) -> Iterator[None]:
        steps = self

        class Stepping(io.FileIO):
            def read(self, size: int = -1, /) -> bytes:  # type: ignore[override]
                steps.step()
                return super().read(size)

        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self.before(getattr(os, name)))
            patch.setattr(prepare, "FileIO", Stepping)
            patch.setattr(process.WorkerProcess, "run", self.before(process.WorkerProcess.run))
            for name in ("put", "list", "stat"):
                patch.setattr(store, name, self.before(getattr(store, name)))
            yield


@dataclass
class Scene:
    """A folder with a song and a cover, and a neighbour in it."""

    folder: Path
    audio: Path = field(init=False)
    cover: Path = field(init=False)
    owned: set[bytes] = field(init=False)
    """What must not be lost: the neighbour may destroy what it overwrites itself."""

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.audio, self.cover = self.folder / "song.m4a", self.folder / "cover.jpg"
        self.audio.write_bytes(SONG)
        self.cover.write_bytes(JPG.read_bytes())
        self.owned = {SONG, JPG.read_bytes()}
        self._age(self.audio, self.cover)

    def _age(self, *paths: Path) -> None:
        for path in paths:
            os.utime(path, ns=(10**18, 10**18))

    def be_links(self) -> None:
        """Have both paths be links to files in another folder."""
        for path in (self.audio, self.cover):
            there = self.folder / "there" / path.name
            there.parent.mkdir(exist_ok=True)
            path.rename(there)
            path.symlink_to(there)

    def be_in_a_linked_folder(self) -> None:
        """Have both paths lead through a link to their folder."""
        real = self.folder / "one"
        real.mkdir()
        for path in (self.audio, self.cover):
            path.rename(real / path.name)
        link = self.folder / "link"
        link.symlink_to(real)
        self.audio, self.cover = link / "song.m4a", link / "cover.jpg"

    def _others(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        folder.mkdir()
        for path, data in ((self.audio, rendered()), (self.cover, OTHER_JPG.read_bytes())):
            (folder / path.name).write_bytes(data)
            yield path, folder / path.name

    def replace(self) -> None:
        """Put other files in their place."""
        self.owned = {rendered(), OTHER_JPG.read_bytes()}
        for path, other in self._others(self.folder / "new"):
            if path.exists():
                other.replace(path)

    def rewrite(self) -> None:
        """Write other content into the same files."""
        self.owned = set()
        for path, data in ((self.audio, rendered()), (self.cover, OTHER_JPG.read_bytes())):
            if path.exists():
                path.write_bytes(data)
                self.owned.add(data)

    def retitle(self, *, keeps_time: bool = False) -> None:
        """Change a few bytes of the same file."""
        if self.audio.exists():
            before = self.audio.stat()
            with self.audio.open("r+b") as file:
                file.write(RETITLED)
            if keeps_time:
                os.utime(self.audio, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.owned = {RETITLED, JPG.read_bytes()}

    def retitle_secretly(self) -> None:
        """Change a few bytes of the same file, and put its modification time back."""
        self.retitle(keeps_time=True)

    def flip_links(self) -> None:
        """Have the links lead to other files."""
        self.owned |= {rendered(), OTHER_JPG.read_bytes()}
        for path, other in self._others(self.folder / "new"):
            link = self.folder / "new.link"
            link.symlink_to(other)
            link.replace(path)

    def flip_folder(self) -> None:
        """Have the link of the folder lead to another one."""
        self.owned |= {rendered(), OTHER_JPG.read_bytes()}
        for _ in self._others(self.folder / "two"):
            pass
        link = self.folder / "new.link"
        link.symlink_to(self.folder / "two")
        link.replace(self.folder / "link")

    def found(self) -> dict[Path, bytes]:
        """Return the content of every file."""
        return {p: p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


def _stay(_: Scene) -> None:
    pass


CHANGES: dict[str, tuple[Callable[[Scene], None], Callable[[Scene], None]]] = {
    "replaced": (_stay, Scene.replace),
    "rewritten": (_stay, Scene.rewrite),
    "edited": (_stay, Scene.retitle),
    "edited, time put back": (_stay, Scene.retitle_secretly),
    "link flipped": (Scene.be_links, Scene.flip_links),
    "folder flipped": (Scene.be_in_a_linked_folder, Scene.flip_folder),
}


@dataclass(frozen=True)
class Way:
    """How to upload."""

    options: dict[str, Any] = field(default_factory=dict)
    cover: bool = False
    bulk: bool = False
    stride: int = 1
    """Every so many steps are tried: some ways take long."""


WAYS = {
    "kept": Way(stride=3),
    "unchecked": Way({"cleanup": True, "check": "none"}),
    "one": Way({"cleanup": True, "faststart": True, "thumbnail_max_px": MAX_PX}),
    "with a cover": Way({"cleanup": True, "thumbnail_max_px": MAX_PX}, cover=True, stride=2),
    "many": Way({"cleanup": True}, cover=True, bulk=True, stride=3),
    "decoded": Way({"cleanup": True, "faststart": True, "check": "full"}, stride=16),
}


def run(scene: Scene, store: MemoryStore, steps: Steps, way: Way) -> bool:
    """Upload; say whether it succeeded."""
    cover = scene.cover if way.cover else None
    with (
        AudioStorageManager(store=store, retry_config=RetryConfig(1)) as manager,
        steps.counting(store),
    ):
        if way.bulk:
            items = [BulkItem(scene.audio, cover)]
            (outcome,) = manager.bulk.upload(items, concurrency=1, **way.options)
            error: Exception | None = outcome.error
        else:
            try:
                manager.upload_audio_with_thumbnail(scene.audio, cover, **way.options)
                error = None
            except Exception as failure:  # noqa: BLE001  (judged below)
                error = failure
    # A flipped folder may have lost a file, too.
    assert error is None or isinstance(error, SourceChangedError | SourceNotFoundError), error
    return error is None


def judge(scene: Scene, store: MemoryStore, succeeded: bool, way: Way) -> None:
    found = scene.found()
    assert not [p for p in found if p.name.endswith("-cleanup")]
    stored = {blob.name.rpartition("/")[2].split(".")[0]: blob for blob in store.list("")}
    assert ("audio" in stored) == succeeded
    safe = set(found.values())
    songs = {SONG: "Paper Lanterns", RETITLED: "Other Lanterns", rendered(): "New Mix"}
    if succeeded:
        data = store.open(stored["audio"]).read(1 << 20)
        song = next((s for s in songs if data in (s, moved(s))), None)
        assert song is not None, "mixed bytes are stored"
        assert (data != song) <= bool(way.options.get("faststart"))
        facts = stored["audio"].metadata
        if way.options.get("check") != "none":
            assert facts["title"] == songs[song]
            assert float(facts["duration_s"]) == pytest.approx(
                4.0 if song == rendered() else 9.771, abs=0.1
            )
        safe.add(song)
    if cover := stored.get("thumbnail"):
        image = store.open(cover).read(1 << 20)
        covers = (JPG.read_bytes(), OTHER_JPG.read_bytes())
        if way.cover:
            original = next(c for c in covers if image in (c, scale_image(c, MAX_PX)))
            safe.add(original)
        elif succeeded:
            assert song != rendered(), "it has no artwork"
    assert scene.owned <= safe, "a file is lost"
    if not way.options.get("cleanup"):
        assert scene.owned <= set(found.values())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_swapped_file_is_kept_or_stored_exactly(
    tmp_path: Path,
    change: tuple[Callable[[Scene], None], Callable[[Scene], None]],
    way: Way,
    count_points: Callable[[int], None],
) -> None:
    arrange, happen = change

    def arranged() -> Scene:
        scene = Scene(tmp_path / "local")
        arrange(scene)
        return scene

    scene, store, steps = arranged(), MemoryStore(), Steps()
    assert run(scene, store, steps, way)
    judge(scene, store, True, way)
    assert steps.count > 10
    points = range(1, steps.count + 1, way.stride)
    for at in points:
        scene, store = arranged(), MemoryStore()
        steps = Steps(at, partial(happen, scene))
        try:
            judge(scene, store, run(scene, store, steps, way), way)
        except (AssertionError, StopIteration) as error:
            raise AssertionError(f"at step {at}: {error}") from error
    count_points(len(points))
