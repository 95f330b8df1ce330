"""Assets from objects of another bucket: a kill at any request leaves nothing half, or twice."""

from typing import Any

import pytest

from tests.assets import BUCKET, JPG, mp3_bytes
from tests.faults.child import Nursery
from tests.faults.kills import BucketPlace, Scenario, look, run_killed_at_request
from tests.faults.reader import Truth
from tests.faults.rig import ID, settled
from tests.gcs_server import StrictServer

pytestmark = [pytest.mark.row("bulk"), pytest.mark.slow]
SONG, COVER = mp3_bytes(30_000), JPG.read_bytes()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("id_is_new", [True, False], ids=["new", "given"])
def test_an_asset_is_adopted_once_whatever_request_it_is_killed_at(
    nursery: Nursery, when: Any, *, id_is_new: bool
) -> None:
    seen = set()
    for number in range(1, 20):
        with StrictServer(BUCKET, "old", rewrite_step=1 << 14) as server:
            server.put("old", "music/song.mp3", SONG, metadata={"secret": "token"})
            server.put("old", "music/cover.jpg", COVER)
            place = BucketPlace(server)
            call = {
                "do": "adopt",
                **place.where,
                "audio": "music/song.mp3",
                "cover": "music/cover.jpg",
                "id": ID,
            }
            scenario = Scenario(call, {ID: Truth(SONG, (COVER,))}, {})
            answer = run_killed_at_request(
                nursery, server, {**call, "id_is_new": id_is_new}, number, when
            )
            look(place, scenario)
            is_killed = answer["killed"]
            assert is_killed or answer["value"]["created"], answer
            seen.add(len(server.objects(BUCKET)))
            again = nursery.run({**call, "id_is_new": False})
            assert "error" not in again, again
            look(place, scenario)
            settled(server)
            history = server.state.bucket(BUCKET).history
            assert {name: len(generations) for name, generations in history.items()} == {
                f"audio/{ID}/audio.mp3": 1,
                f"audio/{ID}/thumbnail.jpg": 1,
            }
            assert [each.name for each in server.objects("old")] == [
                "music/cover.jpg",
                "music/song.mp3",
            ]
            if not is_killed:
                break
    # Two look-ups, two reads, and the copies: in two calls each, of so small steps.
    assert number == (9 if id_is_new else 11)
    assert seen == {0, 1, 2}
