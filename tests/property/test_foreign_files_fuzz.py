"""Files that audiostore reads back, written by anyone: each gives a result or a clear error.

A journal, a state file, a manifest, the metadata of an asset, and whatever a directory store keeps
next to its objects: all may come from another user, another program or a broken disk.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings, strategies as st
from pyarrow import parquet

from audiostore import AudioStorageManager, AudioStoreError, BulkItem, LocalStore
from audiostore.asset import FilenameGenerator
from audiostore.bulk import Journal, check_manifest
from audiostore.ingest.resume import ResumableIds
from tests.assets import JPG, MP3
from tests.fuzzing import examples

TEXTS: Sequence[bytes] = (
    b"",
    b"\0",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"-1",
    b"1e999",
    b"9" * 5000,
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"\xff\xfe",
    "\u202e\x1b[2J".encode(),
)


@st.composite
def damage(draw: st.DrawFn, data: bytes) -> bytes:
    """Return some bytes, changed in a few places."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(changed)))
        match draw(st.sampled_from(["bits", "text", "cut", "insert", "drop", "number"])):
            case "bits" if at < len(changed):
                changed[at] ^= draw(st.integers(1, 255))
            case "text":
                changed[at : at + draw(st.integers(0, 40))] = draw(st.sampled_from(TEXTS))
            case "cut":
                del changed[at:]
            case "insert":
                changed[at:at] = draw(st.binary(max_size=40))
            case "drop":
                del changed[at : at + draw(st.integers(1, 200))]
            case _:
                changed[at : at + 4] = draw(st.sampled_from([bytes(4), b"\xff" * 4, b"\x7f\xff"]))
    return bytes(changed)


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder of its own for each example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@cache
def journal_bytes() -> bytes:
    """Return a journal with a run that stored one item and failed on another."""
    with folder() as path:
        manager = AudioStorageManager(f"file://{path / 'store'}")
        shutil.copy(MP3, path / "a.mp3")
        (path / "b.mp3").write_bytes(b"not audio")
        items = [BulkItem(path / "a.mp3"), BulkItem(path / "b.mp3")]
        assert len(list(manager.bulk.upload(items, journal=path / "j"))) == 2
        return (path / "j").read_bytes()


@settings(max_examples=examples(30))
@given(st.data())
def test_any_journal_is_read_or_refused(data: st.DataObject) -> None:
    with folder() as path:
        (path / "j").write_bytes(data.draw(damage(journal_bytes())))
        with suppress(AudioStoreError), Journal(path / "j") as journal:
            for run in journal.runs():
                list(journal.failures(run.run))
        (path / "a.mp3").write_bytes(MP3.read_bytes())
        manager = AudioStorageManager(f"file://{path / 'store'}")
        with suppress(AudioStoreError):
            list(manager.bulk.upload([BulkItem(path / "a.mp3")], journal=path / "j"))


@given(st.data())
def test_any_state_file_leads_to_a_valid_id(data: st.DataObject) -> None:
    with folder() as path:
        ids = ResumableIds(path)
        with suppress(ZeroDivisionError), ids.choose(lambda: "x", "y") as chosen:
            first = chosen.audio_id
            raise ZeroDivisionError
        (state,) = path.iterdir()
        state.write_bytes(data.draw(damage(state.read_bytes())))
        with ids.choose(lambda: "x", "y") as chosen:
            assert FilenameGenerator.validate_uuid(chosen.audio_id)
            assert chosen.is_new or chosen.audio_id == first or chosen.audio_id.islower()


def _parquet_manifest() -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pa.table({"audio": ["a.mp3", "b.mp3"], "n": [1, None]}), stream)
    return stream.getvalue()


MANIFESTS = {
    ".csv": b'audio,thumbnail,id,title\na.mp3,a.jpg,,"T, ""x"""\nb.mp3,,,\n',
    ".jsonl": b'{"audio": "a.mp3", "title": "T"}\n{"audio": "b.mp3", "thumbnail": "a.jpg"}\n',
    ".tsv": b'client_id\tpath\tsentence\nx\ta.mp3\t"T\ny\tb.mp3\t\n',
    ".parquet": _parquet_manifest(),
}


@given(st.sampled_from(sorted(MANIFESTS)), st.data())
def test_any_manifest_is_read_or_has_problems(suffix: str, data: st.DataObject) -> None:
    with folder() as path:
        for name in ("a.mp3", "b.mp3", "a.jpg"):
            (path / name).write_bytes(b"x")
        manifest = path / f"m{suffix}"
        manifest.write_bytes(data.draw(damage(MANIFESTS[suffix])))
        problems: list[object] = []
        with suppress(AudioStoreError):
            checked = check_manifest(manifest, problems.append)
            if checked.errors:
                assert problems
            else:
                items = list(checked.items())
                assert len(items) == checked.count


@cache
def stored_asset() -> Path:
    """Return a directory store with an asset, and another one in its trash. Kept to the end."""
    path = Path(tempfile.mkdtemp()) / "store"
    manager = AudioStorageManager(store=LocalStore(path))
    manager.upload_audio_with_thumbnail(MP3, JPG)
    manager.delete(manager.upload_audio_with_thumbnail(MP3, JPG).audio_id)
    return path


@settings(max_examples=examples(40))
@given(st.data())
def test_whatever_lies_next_to_its_objects_a_directory_store_survives(data: st.DataObject) -> None:
    with folder() as path:
        root = path / "store"
        shutil.copytree(stored_asset(), root)
        kept = sorted(
            p for p in root.rglob("*") if p.is_file() and p.suffix not in {".mp3", ".jpg"}
        )
        victim = data.draw(st.sampled_from(kept))
        victim.write_bytes(data.draw(damage(victim.read_bytes())))
        manager = AudioStorageManager(store=LocalStore(root))
        for use in (
            lambda: [manager.get(each.audio_id) for each in manager.list()],
            lambda: list(manager.catalog.find()),
            lambda: list(manager.audit.check()),
            lambda: [manager.restore(each.audio_id) for each in manager.trash.list()],
            lambda: manager.upload_audio_with_thumbnail(MP3, JPG),
        ):
            with suppress(AudioStoreError):
                use()
