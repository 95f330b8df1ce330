"""Assets as tar files: read by others' rules, the same bytes every time, nothing half."""

import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from audiostore import (
    AudioStorageManager,
    ConfigurationError,
    ExportConflictError,
    ExportedShard,
    IntegrityError,
    InvalidRunError,
    LocalStore,
    MemoryStore,
    Query,
    RetryConfig,
    RunConflictError,
    fleet,
)
from audiostore.catalog.shards.samples import Part, Sample
from audiostore.catalog.shards.source import ShardSource
from audiostore.sources import BytesSource
from audiostore.stores.protocol import BlobSpec
from tests.catalog_samples import audio_ids, put_asset
from tests.fuzzing import examples
from tests.gcs_server import StrictServer, faults, supplied

IDS = sorted(audio_ids(9))


def data_of(number: int) -> bytes:
    return os.urandom(0) + str(number).encode() * (700 * number + 1)


def fill(store: Any) -> None:
    for number, audio_id in enumerate(IDS):
        put_asset(
            store,
            audio_id,
            extension=".flac" if number % 2 else ".mp3",
            data=data_of(number),
            facts={"duration_s": f"{number}.500", "title": f"Ümläut {number}"},
            custom={"speaker": f"s{number}", "split.kind": "train"},
            cover=number != 3,
        )


@pytest.fixture(params=["directory", "bucket"])
def places(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    """The URL of a store with assets, and that of a place to export to."""
    if request.param == "directory":
        yield str(tmp_path / "store"), str(tmp_path / "out")
        return
    with StrictServer("library", "training", directory=tmp_path) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield "library", "gs://training/v1"


def export(manager: AudioStorageManager, to: str, **options: Any) -> list[ExportedShard]:
    shards = manager.catalog.export_shards(to, **{"shard_bytes": 12_000, **options})
    return sorted(shards, key=lambda shard: shard.index)


def things(place: str) -> dict[str, bytes]:
    """Return all that was exported, by name."""
    with AudioStorageManager(place) as manager:
        found = {}
        for blob in manager.store.list(""):
            with closing(manager.store.open(blob)) as reader:
                found[blob.name] = b"".join(iter(lambda: reader.read(1 << 20), b""))
        return found


def samples_of(tar_file: bytes) -> Iterator[dict[str, Any]]:
    """Group the files of a tar file by WebDataset's rule: the key ends at the first dot."""
    sample: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(tar_file), mode="r|") as tar:
        for member in tar:
            match = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", member.name)
            file = tar.extractfile(member)
            assert match is not None
            assert file is not None
            if sample.get("__key__") not in (None, match[1]):
                yield sample
                sample = {}
            assert match[2] not in sample
            sample |= {"__key__": match[1], match[2]: file.read()}
            assert (member.mtime, member.uid, member.uname, member.mode) == (0, 0, "", 0o644)
    if sample:
        yield sample


def tars(exported: dict[str, bytes]) -> list[bytes]:
    return [data for name, data in sorted(exported.items()) if name.endswith(".tar")]


def keys(exported: dict[str, bytes]) -> list[str]:
    return [sample["__key__"] for tar in tars(exported) for sample in samples_of(tar)]


def test_shards_hold_audio_facts_and_covers_and_their_index_tells_where(
    places: tuple[str, str],
) -> None:
    source, to = places
    with AudioStorageManager(source) as manager:
        fill(manager.store)
        shards = export(manager, to, thumbnails=True)
    exported = things(to)

    samples = [sample for tar in tars(exported) for sample in samples_of(tar)]
    assert [each["__key__"] for each in samples] == IDS
    for number, sample in enumerate(samples):
        assert sample["flac" if number % 2 else "mp3"] == data_of(number)
        assert sample.get("jpg") == (None if number == 3 else b"cover of " + data_of(number))
        facts = json.loads(sample["json"])
        assert facts["title"] == f"Ümläut {number}"
        assert facts["duration_s"] == number + 0.5
        assert facts["metadata"] == {"speaker": f"s{number}", "split.kind": "train"}
    index = json.loads(exported["index.json"])["shardlist"]
    assert len(shards) == len(index) > 3
    for shard, entry in zip(shards, index, strict=True):
        tar = exported[entry["url"]]
        assert shard.uri.endswith(f"/{entry['url']}")
        assert (shard.created, shard.left_out, shard.error) == (True, (), None)
        assert (shard.size_bytes, shard.samples) == (entry["filesize"], entry["nsamples"])
        assert len(tar) == shard.size_bytes
        assert len(tar) <= 12_000 or shard.samples == 1
        first, *lines = exported[entry["url"].replace(".tar", ".idx")].decode().splitlines()
        assert first == f"v1.2 {shard.samples}"
        for line, sample in zip(lines, samples_of(tar), strict=True):
            words = line.split(" ")
            for extension, offset, size, name in zip(*[iter(words)] * 4, strict=True):
                assert name == f"{sample['__key__']}.{extension}"
                assert tar[int(offset) :][: int(size)] == sample[extension]


def test_the_same_call_again_writes_what_is_missing_with_the_same_bytes(
    places: tuple[str, str],
) -> None:
    source, to = places
    with AudioStorageManager(source) as manager, AudioStorageManager(to) as target:
        fill(manager.store)
        export(manager, to)
        whole = things(to)
        for name in ("shard-000001.tar", "shard-000001.idx", "shard-000002.idx", "index.json"):
            target.store.delete(target.store.stat(name))
        put_asset(manager.store, audio_ids(1, seed=2)[0])  # stored since: not in the plan
        changed = next(samples_of(whole["shard-000001.tar"]))["__key__"]
        (audio,) = manager.store.list(f"audio/{changed}/audio")
        manager.update_metadata(changed, {"speaker": "another"})
        manager.store.copy(
            audio, audio.name, if_generation_match=audio.generation, storage_class="NEARLINE"
        )
        shards = export(manager, to)
        assert [shard.created for shard in shards][:4] == [False, True, False, False]
        assert things(to) == whole


def test_what_was_deleted_since_is_left_out_and_told(places: tuple[str, str]) -> None:
    source, to = places
    with AudioStorageManager(source) as manager, AudioStorageManager(to) as target:
        fill(manager.store)
        first = export(manager, to, thumbnails=True, shard_bytes=20_000)[0]
        for name in ("shard-000000.tar", "shard-000000.idx", "index.json"):
            target.store.delete(target.store.stat(name))
        manager.delete(IDS[1])
        (cover,) = manager.store.list(f"audio/{IDS[2]}/thumbnail")
        manager.store.delete(cover)
        again = export(manager, to, thumbnails=True, shard_bytes=20_000)[0]

        assert again.samples == first.samples - 1
        assert [text.partition(":")[0] for text in again.left_out] == IDS[1:3]
        assert "its artwork was deleted" in again.left_out[1]
        whole = things(to)
        assert keys(whole) == [IDS[0], *IDS[2:]]
        assert json.loads(whole["index.json"])["shardlist"][0]["nsamples"] == again.samples

        # Killed between the tar file and its index, and more is deleted: the tar file stays.
        for name in ("shard-000000.idx", "index.json"):
            target.store.delete(target.store.stat(name))
        manager.delete(IDS[2])
        once_more = export(manager, to, thumbnails=True, shard_bytes=20_000)[0]
        assert (once_more.created, once_more.samples) == (False, again.samples)
        once_more = export(manager, to, thumbnails=True, shard_bytes=20_000)[0]
        assert (once_more.created, once_more.samples) == (False, again.samples)
        assert things(to) == whole


def test_a_damaged_asset_is_an_error_and_nothing_of_its_shard_is_there(tmp_path: Path) -> None:
    to = tmp_path / "out"
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        fill(manager.store)
        (blob,) = manager.store.list(f"audio/{IDS[7]}/audio")
        path = tmp_path / "store" / blob.name
        status = path.stat()
        path.write_bytes(b"x" + data_of(7)[1:])
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        shards = export(manager, str(to))
        (damaged,) = (shard for shard in shards if shard.error)

        assert isinstance(damaged.error, IntegrityError)
        assert damaged.error.audio_id == IDS[7]
        exported = things(str(to))
        assert not [name for name in exported if f"shard-{damaged.index:06}" in name]
        assert "index.json" not in exported
        assert set(keys(exported)) | {IDS[7]} >= set(IDS)

        path.write_bytes(data_of(7))
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        assert not [shard for shard in export(manager, str(to)) if shard.error]
        assert keys(things(str(to))) == IDS


def test_what_cannot_be_verified_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StrictServer("library", "training", directory=tmp_path) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with AudioStorageManager("library") as manager:
            fill(manager.store)
            server.encrypt("library", supplied(bytes(32)), f"audio/{IDS[4]}/audio.mp3")
            shards = export(manager, "gs://training")
            (text,) = (text for shard in shards for text in shard.left_out)
            assert text.startswith(f"{IDS[4]}: audio/{IDS[4]}/audio.mp3 cannot be read")
            assert sum(shard.samples for shard in shards) == len(IDS) - 1
            assert keys(things("gs://training")) == [each for each in IDS if each != IDS[4]]
            again = export(manager, "gs://training")
            assert sum(shard.samples for shard in again) == len(IDS) - 1


def test_a_store_that_fails_is_asked_as_often_as_its_retries_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StrictServer("library", "training", directory=tmp_path) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        config = RetryConfig(max_attempts=3, initial_delay=0.0, max_delay=0.0)
        with AudioStorageManager("library", retry_config=config) as manager:
            fill(manager.store)
            rule = server.fault(
                faults.download & faults.named(IDS[0]), faults.respond(503), times=None
            )
            shards = export(manager, "gs://training")
            (failed,) = (shard for shard in shards if shard.error)
            assert getattr(failed.error, "status", None) == 503
            assert rule.fired == 3
            server.clear_faults()
            assert all(shard.error is None for shard in export(manager, "gs://training"))


def test_another_export_to_the_same_place_is_refused(tmp_path: Path) -> None:
    others: list[dict[str, Any]] = [
        {"shard_bytes": 13_000},
        {"thumbnails": True},
        {"query": Query(formats=frozenset({"mp3"}))},
        {"order_by": "size"},
    ]
    to = str(tmp_path / "out")
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        fill(manager.store)
        export(manager, to)
        before = things(to)
        for other in others:
            with pytest.raises(ExportConflictError, match="another place"):
                export(manager, to, **other)
        assert things(to) == before


def test_where_a_store_keeps_what_is_its_own_nothing_is_exported_to(
    places: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with AudioStorageManager(places[0]) as manager:
        fill(manager.store)
        inside = [
            f"{manager.url}{end}" for end in ("", "/", "/audio", "/audio/x", "/fleet", "/fleet/x")
        ]
        inside += [str(tmp_path / "link" / "fleet")] * manager.url.startswith("file:")
        for to in inside:
            with pytest.raises(ConfigurationError, match=r"name (another place|gs://)"):
                export(manager, to)
            with pytest.raises(ConfigurationError, match=r"name (another place|gs://)"):
                fleet.plan_export(manager, to, run="train")
        assert export(manager, f"{manager.url}/train")
        assert export(manager, f"{manager.url}/fleeting")


def test_what_is_in_the_way_is_never_overwritten(tmp_path: Path) -> None:
    to = LocalStore(tmp_path / "out")
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        fill(manager.store)
        to.put(BlobSpec("shard-000001.tar", "text/plain"), BytesSource(b"another's"))
        with pytest.raises(ExportConflictError, match="no plan"):
            export(manager, str(tmp_path / "out"))
        to.delete(to.stat("shard-000001.tar"))
        export(manager, str(tmp_path / "out"))
        whole = things(str(tmp_path / "out"))
        for name in ("shard-000001.tar", "shard-000000.idx", "index.json"):
            kept = whole[name]
            others = [b"another's", kept[:-1] + b"x"] if name.endswith("tar") else [b"another's"]
            for other in others:
                for missing in {name, name.replace(".tar", ".idx"), "index.json"}:
                    to.delete(to.stat(missing))
                to.put(BlobSpec(name, "text/plain"), BytesSource(other))
                with pytest.raises(ExportConflictError, match=f"{name} exists, and is not what"):
                    export(manager, str(tmp_path / "out"))
                assert things(str(tmp_path / "out"))[name] == other
                to.delete(to.stat(name))
                export(manager, str(tmp_path / "out"))
                assert things(str(tmp_path / "out")) == whole
        with pytest.raises(ConfigurationError, match="keeps its assets"):
            export(manager, str(tmp_path / "store" / "audio" / "x"))


@pytest.mark.slow
def test_a_fleet_run_writes_the_same_shards(places: tuple[str, str]) -> None:
    source, to = places
    with AudioStorageManager(source) as manager:
        fill(manager.store)
        export(manager, f"{to}-alone", thumbnails=True)
        options: Any = {"shard_bytes": 12_000, "thumbnails": True}
        plan = fleet.plan_export(manager, to, run="train", **options)
        assert plan.kind == "shards"
        again = fleet.plan_export(manager, to, run="train", **options)
        assert (again, again.created) == (plan, False)
        assert list(things(to)) == ["plan.jsonl.gz"]

        fleet.work(source, "train", 1)
        assert all(chunk.error is None for chunk in fleet.work_share(manager, "train"))
        assert fleet.work(source, "train", 1).done_before
        found = list(fleet.exported(manager, "train"))
        assert [shard.index for shard in found] == list(range(plan.chunks))
        assert sum(shard.samples for shard in found) == len(IDS)
        assert "index.json" not in things(to)
        assert not any(shard.created for shard in export(manager, to, thumbnails=True))
        alone, together = things(f"{to}-alone"), things(to)
        assert together == alone

        with pytest.raises(ExportConflictError):
            fleet.plan_export(manager, to, run="other", shard_bytes=13_000)
        fleet.plan_list(manager, run="taken", chunks=1)
        for run in (plan.run, "taken"):
            with pytest.raises(RunConflictError, match=run):
                fleet.plan_export(manager, f"{to}-1", run=run)
        assert things(f"{to}-1") == {}
        with pytest.raises(InvalidRunError, match="no assets match"):
            fleet.plan_export(manager, f"{to}-2", Query(min_size_bytes=1 << 30), run="none")


def test_a_fleet_run_leaves_a_damaged_shard_to_be_tried_again(tmp_path: Path) -> None:
    source, to = str(tmp_path / "store"), str(tmp_path / "out")
    with AudioStorageManager(source) as manager:
        fill(manager.store)
        plan = fleet.plan_export(manager, to, run="train", shard_bytes=12_000)
        (blob,) = manager.store.list(f"audio/{IDS[7]}/audio")
        path = tmp_path / "store" / blob.name
        status = path.stat()
        path.write_bytes(b"x" + data_of(7)[1:])
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        chunks = list(fleet.work_share(manager, "train"))
        assert [type(each.error) for each in chunks if each.error] == [IntegrityError]
        assert fleet.status(manager, "train").chunks_done == plan.chunks - 1
        path.write_bytes(data_of(7))
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        list(fleet.work_share(manager, "train"))
        assert fleet.status(manager, "train").is_done

        plan = fleet.plan_export(manager, f"{to}-2", run="moved")
        out = LocalStore(f"{to}-2")
        out.delete(out.stat("plan.jsonl.gz"))
        with pytest.raises(ExportConflictError, match="no plan any more"):
            list(fleet.work_share(manager, "moved"))


def test_filters_order_and_limit_are_those_of_the_catalog(tmp_path: Path) -> None:
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        fill(manager.store)
        query = Query(formats=frozenset({"flac"}))
        options = {"order_by": "duration", "descending": True, "limit": 3}
        export(manager, str(tmp_path / "out"), query=query, **options)
        assert keys(things(str(tmp_path / "out"))) == [IDS[7], IDS[5], IDS[3]]
        assert export(manager, str(tmp_path / "none"), query=Query(min_size_bytes=1 << 30)) == []
        assert not (tmp_path / "none").exists()


@settings(max_examples=examples(20))
@given(
    sizes=st.lists(st.integers(1, 3000), max_size=6),
    steps=st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 5000)), max_size=4),
)
def test_a_shard_can_be_read_from_any_byte_and_is_what_it_said(
    sizes: list[int], steps: list[tuple[int, int]]
) -> None:
    store = MemoryStore()
    samples = []
    for number, size in enumerate(sizes):
        blob = store.put(
            BlobSpec(f"audio/{number}/audio.mp3", "audio/mpeg"), BytesSource(bytes([number]) * size)
        )
        part = Part(".mp3", blob.name, blob.generation, size, blob.crc32c or "")
        samples.append(Sample(str(number), (part,), b"{}" * number))
    source = ShardSource(store, lambda: samples, frozenset())
    with closing(source.open()) as reader:
        data = b"".join(iter(lambda: reader.read(1000), b""))
        assert (len(data), BytesSource(data).crc32c) == (source.size_bytes, source.crc32c)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert len(tar.getnames()) == 2 * len(sizes)
        for offset, size in steps:
            reader.seek(min(offset, len(data)))
            assert data[min(offset, len(data)) :].startswith(reader.read(size))
            reader.seek(0)


def test_a_plan_is_read_back_by_zcat_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        fill(manager.store)
        shards = export(manager, str(tmp_path / "out"))
        store = LocalStore(tmp_path / "out")
        plan = things(str(tmp_path / "out"))["plan.jsonl.gz"]
        lines = b""
        while plan:
            unpacker = zlib.decompressobj(31)
            lines += unpacker.decompress(plan)
            plan = unpacker.unused_data
        assert len(lines.splitlines()) == 1 + len(IDS) + len(shards)
        for wrong in (b"", b"x", lines, things(str(tmp_path / "out"))["plan.jsonl.gz"][:-1]):
            store.delete(store.stat("plan.jsonl.gz"))
            store.put(BlobSpec("plan.jsonl.gz", "application/gzip"), BytesSource(wrong))
            with pytest.raises(IntegrityError, match="not the plan of an export"):
                export(manager, str(tmp_path / "out"))
