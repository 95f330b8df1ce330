"""An export of tar files, killed anywhere: what appears is whole, and is completed."""

import io
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, ExportedShard, LocalStore
from tests.assets import BUCKET
from tests.catalog_samples import audio_ids, put_asset
from tests.faults.child import Nursery
from tests.faults.kills import run_killed_at_request
from tests.faults.rig import QUICK, gcs, in_sessions, settled
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S

pytestmark = [pytest.mark.row("shards"), pytest.mark.slow]
NAMES = {"plan.jsonl.gz", "index.json"} | {
    f"shard-{number:06}.{extension}" for number in range(2) for extension in ("tar", "idx")
}


def fill(store: Any) -> None:
    for number, audio_id in enumerate(audio_ids(2)):
        put_asset(store, audio_id, data=bytes([number]) * 1000, cover=False)


def assert_whole(exported: dict[str, bytes], whole: dict[str, bytes]) -> None:
    """See that there is nothing but what a whole export has, and an index for complete shards."""
    assert exported.items() <= whole.items()
    for name in exported:
        if name.endswith(".idx"):
            assert name.replace(".idx", ".tar") in exported
    assert "index.json" not in exported or exported == whole


@pytest.mark.parametrize(
    ("when", "options"), [("before", {}), ("after", {"one_request_bytes": 500})]
)
def test_an_export_is_completed_whatever_request_it_was_killed_at(
    nursery: Nursery, when: Any, options: dict[str, int], count_points: Callable[[int], None]
) -> None:
    with StrictServer(BUCKET) as server:
        fill(gcs(server))
        call = {"do": "export", "url": server.url, "bucket": BUCKET, **options}
        before = len(server.requests)
        assert nursery.run({**call, "to": f"gs://{BUCKET}/whole"})["value"] == {}
        whole = written(server, "whole/")
        assert whole.keys() == NAMES
        requests = len(server.requests) - before
        seen = set()
        kills = 0
        for number in range(1, requests + 1):
            here = {**call, "to": f"gs://{BUCKET}/{number}"}
            # Some are under way together, so the last ones may not be reached.
            answer = run_killed_at_request(nursery, server, here, number, when)
            kills += answer["killed"]
            settled(server)
            exported = written(server, f"{number}/")
            assert_whole(exported, whole)
            seen.add(len(exported))
            assert nursery.run(here)["value"] == {}
            settled(server)
            assert written(server, f"{number}/") == whole
        history = server.state.bucket(BUCKET).history
        assert {len(generations) for generations in history.values()} == {1}
    count_points(requests)
    assert kills > requests // 2
    assert len(seen) > 4


def test_three_exports_at_once_write_each_tar_file_once(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    store = gcs(server)
    for number, audio_id in enumerate(audio_ids(12)):
        put_asset(store, audio_id, data=bytes([number]) * 1000, cover=False)
    exported: list[ExportedShard] = []

    def export() -> None:
        with AudioStorageManager(BUCKET, retry_config=QUICK) as manager:
            to = f"gs://{BUCKET}/out"
            exported.extend(manager.catalog.export_shards(to, shard_bytes=6000))

    threads = [threading.Thread(target=export) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [each.error for each in exported] == [None] * len(exported)
    assert sum(each.samples for each in exported) == 3 * 12
    history = server.state.bucket(BUCKET).history
    assert {len(generations) for generations in history.values()} == {1}


def test_a_broken_upload_of_a_tar_file_goes_on_at_the_byte(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_sessions(monkeypatch)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    store = gcs(server)
    ids = sorted(audio_ids(4))
    for number, audio_id in enumerate(ids):
        put_asset(store, audio_id, data=bytes([number]) * 300_000, cover=False)
    server.fault(faults.session_chunk, faults.reset(after=700_000))
    before = len(server.requests)
    with AudioStorageManager(BUCKET, retry_config=QUICK) as manager:
        (shard,) = manager.catalog.export_shards(f"gs://{BUCKET}/out")
        assert (shard.error, shard.samples) == (None, 4)
    made = server.requests[before:]
    assert [r.operation for r in made if r.operation.startswith("session")] == [
        "session_start",
        "session_chunk",
        "session_status",
        "session_chunk",
    ]
    reads = [sum(f"audio%2F{each}" in r.path for r in made) for each in ids]
    assert reads[0] == 1  # what was kept is not read again
    with tarfile.open(fileobj=io.BytesIO(written(server, "out/")["shard-000000.tar"])) as tar:
        audio = [member for member in tar if member.name.endswith(".mp3")]
        contents = [(tar.extractfile(each) or io.BytesIO()).read() for each in audio]
    assert contents == [bytes([number]) * 300_000 for number in range(4)]


def written(server: StrictServer, prefix: str) -> dict[str, bytes]:
    return {
        each.name.removeprefix(prefix): server.read(BUCKET, each.name)
        for each in server.objects(BUCKET)
        if each.name.startswith(prefix)
    }


def test_an_export_to_a_directory_is_completed_wherever_it_was_killed(
    nursery: Nursery, tmp_path: Path, count_points: Callable[[int], None]
) -> None:
    fill(LocalStore(tmp_path / "store"))
    whole: dict[str, bytes] = {}
    kills = 0
    for number in (0, *range(3, 2000, 23)):
        out = tmp_path / str(number)
        call = {"do": "export", "root": str(tmp_path / "store"), "to": str(out)}
        answer = nursery.run({**call, "die_at": number})
        exported = files(out)
        whole = whole or exported
        assert whole.keys() == NAMES
        assert_whole(exported, whole)
        if answer["killed"]:
            kills += 1
            assert nursery.run(call)["value"] == {}
            assert files(out) == whole
        elif number:
            break
    assert kills > 5
    count_points(kills)


def files(folder: Path) -> dict[str, bytes]:
    if not folder.exists():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}
