"""Adopting under kills: each object becomes an asset once, and is deleted only once it is one."""

from pathlib import Path
from typing import Any

import pytest

from audiostore import AudioStorageManager, fleet
from tests.assets import JPG, MP3
from tests.faults.child import Nursery
from tests.faults.kills import run_killed_at_request
from tests.faults.rig import QUICK, settled
from tests.gcs_server import StrictServer

pytestmark = [pytest.mark.row("fleet"), pytest.mark.slow]
OLD, NEW, RUN = "old", "new", "a1"


def planned(server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> AudioStorageManager:
    """Two songs with one cover, and the plan to adopt them in one chunk."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    for name in ("a/1.mp3", "a/2.mp3"):
        server.put(OLD, name, MP3.read_bytes())
    server.put(OLD, "a/cover.jpg", JPG.read_bytes())
    manager = AudioStorageManager(NEW, retry_config=QUICK)
    fleet.plan_adoption(
        manager, f"gs://{OLD}", run=RUN, layout="{_}/{stem}.{ext}", covers=["cover.jpg"]
    )
    return manager


@pytest.mark.parametrize("when", ["before", "after"])
def test_adopting_is_completed_whatever_request_it_was_killed_at(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    for number in range(1, 30):
        with StrictServer(OLD, NEW) as server, planned(server, monkeypatch) as manager:
            old = {each.name: each.generation for each in server.objects(OLD)}
            call = {"do": "work", "url": server.url, "bucket": NEW, "run": RUN, "chunk": 0}
            answer = run_killed_at_request(nursery, server, call, number, when)
            is_killed = answer["killed"]
            if is_killed:
                settled(server)
                answer = nursery.run(call)
            assert answer.get("value", [0])[0] == 2, answer
            settled(server)
            history = server.state.bucket(NEW).history
            assert {len(generations) for generations in history.values()} == {1}
            assert len(history) == 4 + 4  # two assets; plan, chunk, mark, results
            assert list(manager.audit.check()) == []
            assert {each.name: each.generation for each in server.objects(OLD)} == old
            if not is_killed:
                break
    # The chunk, its items, the mark, four copies, the results; the ranges of two songs, and of
    # their cover, which two threads may read at once.
    assert number in (12, 13)


def test_cleaning_is_completed_whatever_request_it_was_killed_at(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(1, 30):
        with StrictServer(OLD, NEW) as server, planned(server, monkeypatch) as manager:
            assert [each.stored for each in fleet.work_share(manager, RUN)] == [2]
            kept = {each.name: each.generation for each in server.objects(NEW)}
            call = {"do": "clean", "url": server.url, "bucket": NEW, "run": RUN}
            answer = run_killed_at_request(nursery, server, call, number, "after")
            if is_killed := answer["killed"]:
                settled(server)
                answer = nursery.run(call)
            assert not answer.get("error"), answer
            assert not server.objects(OLD)
            assert {each.name: each.generation for each in server.objects(NEW)} == kept
            assert list(manager.audit.check()) == []
            if not is_killed:
                break
    # The plan (found, then read), the list of the run, its results and chunk; each asset is looked
    # up and its song deleted; the list of the source, and the cover. Then a run that is not killed.
    assert number == 5 + 2 * 2 + 2 + 1
