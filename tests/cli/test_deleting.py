"""rm, trash list, restore, purge and put --supersedes, as typed: on a directory, on a bucket."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from tests.assets import OGG, OTHER_JPG, repeated_mp3
from tests.cli.conftest import COVER, MP3, Call, Run
from tests.cli.test_terminal import _on_terminal
from tests.gcs_server import StrictServer, faults

UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
WAY_BACK = "('audiostore restore' can undo this for 7 days)"


@pytest.fixture(params=["directory", "bucket"])
def kind(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue("bucket" if request.param == "directory" else "server")
    return str(request.param)


def _put(call: Call, *args: str | Path) -> str:
    code, out, err = call("put", *args)
    assert (code, err) == (0, "")
    return out.splitlines()[0]


def test_a_deleted_asset_can_be_restored(call: Call, kind: str) -> None:
    audio_id = _put(call, MP3, "--thumbnail", COVER)
    before = json.loads(call("show", audio_id, "--json")[1])
    assert call("rm", audio_id) == (0, "", "")
    assert call("show", audio_id)[0] == 3
    (listed,) = call("trash", "list")[1].splitlines()
    assert listed.startswith(f"{audio_id}   172.2 KiB  deleted ")
    assert listed.endswith(" UTC  morning-in-c.mp3")
    trashed = json.loads(call("trash", "list", "--json")[1])
    assert trashed["audio"]["crc32c"] == before["audio"]["crc32c"]
    assert trashed["deleted_at"] < trashed["gone_at"]
    assert call("restore", audio_id) == (0, "", "")
    assert call("trash", "list") == (0, "", "")
    after = json.loads(call("show", audio_id, "--json")[1])
    for part in ("audio", "thumbnail"):
        assert after[part]["crc32c"] == before[part]["crc32c"]
    assert call("check")[0] == 0
    assert call("restore", audio_id)[0] == 0  # it is there


def test_rm_can_print_what_it_would_delete(call: Call, kind: str) -> None:
    first, second = _put(call, MP3), _put(call, OGG)
    code, out, err = call("rm", first, second, UNKNOWN, first, "-n")
    assert code == 3
    one, other = out.splitlines()
    assert one.startswith(f"would delete {first}  mp3 ")
    assert one.endswith(f"morning-in-c.mp3  {WAY_BACK}")
    assert other.startswith(f"would delete {second}  ogg ")
    assert err == f"audiostore: error: no asset {UNKNOWN} in {_url(call)}\n"
    plan = json.loads(call("rm", first, "--dry-run", "--json")[1])
    assert plan == {"would": "delete", "audio_id": first, "permanent": False}
    call("hold", first)
    code, out, err = call("rm", first, "-n")
    assert (code, out) == (1, "")
    assert f"run 'audiostore release {first} --bucket " in err
    assert len(call("list")[1].splitlines()) == 2


def _url(call: Call) -> str:
    found: str = json.loads(call("stats", "--json")[1])["url"]
    return found


def test_an_incomplete_asset_can_be_deleted_too(call: Call, kind: str) -> None:
    audio_id = _put(call, MP3, "--thumbnail", COVER)
    call("rm", audio_id, "--permanent")
    waiting = _put(call, OGG)
    assert call("rm", audio_id, "-n")[0] == 3
    assert call("rm", waiting, "-n")[0] == 0


def test_a_held_asset_does_not_stop_the_deletion_of_others(call: Call, kind: str) -> None:
    held, other = _put(call, MP3), _put(call, OGG)
    call("hold", held)
    code, out, err = call("rm", held, UNKNOWN, other, "--json")
    assert code == 4
    assert [json.loads(line)["audio_id"] for line in out.splitlines()] == [other]
    assert err.count("\n") == 2
    assert "bug" not in err
    assert call("rm", held)[0] == 1
    assert call("show", held)[0] == 0


def test_rm_lists_the_assets_before_it_asks(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    code, shown = _on_terminal("rm", audio_id, UNKNOWN, typed=b"n\n")
    assert code == 1
    assert f"{UNKNOWN}  (not found)\r\nDelete these 2 assets from file://" in shown
    assert f"{WAY_BACK}? [y/N]" in shown
    code, shown = _on_terminal("rm", audio_id, "--permanent", typed=b"y\n")
    assert code == 0
    assert "permanently? [y/N]" in shown
    assert f"note: deleted {audio_id} permanently" in shown


@pytest.mark.slow
def test_without_soft_delete_rm_needs_permanent(call: Call, server: StrictServer) -> None:
    audio_id = _put(call, MP3)
    server.configure("bucket", softDeletePolicy={"retentionDurationSeconds": "0"})
    for more in ([], ["--dry-run"], ["--yes"]):
        code, out, err = call("rm", audio_id, *more)
        assert (code, out) == (2, "")
        assert "cannot restore deleted assets (soft delete is off)" in err
    assert call("show", audio_id)[0] == 0
    assert "permanently" in call("rm", audio_id, "--permanent", "-n")[1]
    assert call("rm", audio_id, "--permanent") == (0, "", "")
    assert server.objects("bucket") == []
    assert (
        "the trash of gs://bucket is empty: it cannot restore deleted assets"
        in _on_terminal("trash", "list")[1]
    )
    assert call("restore", audio_id)[0] == 3


REASONS = pytest.mark.parametrize("reason", ["SoftDeletePolicyRequired", "invalid"])


def test_where_the_settings_cannot_be_read_rm_finds_out_that_it_can_be_undone(
    call: Call, server: StrictServer
) -> None:
    audio_id = _put(call, MP3)
    server.denied.add("storage.buckets.get")
    would = call("rm", audio_id, "-n")[1]
    assert "'audiostore restore' can undo this for a time that this account may not see" in would
    assert call("rm", audio_id) == (0, "", "")
    assert audio_id in call("trash", "list")[1]
    assert call("restore", audio_id)[0] == 0
    assert "keeps and bills it for a time" in call("rm", audio_id, "--permanent", "-n")[1]


@REASONS
def test_where_the_settings_cannot_be_read_rm_finds_out_that_it_cannot_be_undone(
    call: Call, server: StrictServer, reason: str
) -> None:
    server.state.soft_delete_reason = reason
    audio_id = _put(call, MP3)
    server.configure("bucket", softDeletePolicy={"retentionDurationSeconds": "0"})
    server.denied.add("storage.buckets.get")
    code, out, err = call("rm", audio_id)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot restore deleted assets (soft delete is off)" in err
    assert call("trash", "list") == (0, "", "")
    assert call("restore", audio_id)[0] == 0
    assert call("rm", audio_id, "--permanent")[0] == 0
    assert call("restore", audio_id)[0] == call("show", audio_id)[0] == 3


def test_where_nothing_can_be_known_rm_needs_permanent(call: Call, server: StrictServer) -> None:
    audio_id = _put(call, MP3)
    server.fault(faults.operation("bucket_get"), faults.respond(501), times=None)
    code, out, err = call("rm", audio_id)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "nothing was deleted: unknown whether gs://bucket keeps" in err
    assert call("rm", audio_id, "--permanent")[0] == 0
    assert call("show", audio_id)[0] == 3


def test_rm_takes_the_versions_that_another_program_left(call: Call, server: StrictServer) -> None:
    audio_id = _put(call, MP3, "--thumbnail", COVER)
    server.configure("bucket", versioning={"enabled": True})
    for record in server.objects("bucket"):
        server.remove("bucket", record.name)
    assert "(deleted before, 2 noncurrent versions)" in call("rm", audio_id, "-n")[1]
    assert "(2 noncurrent versions)" in call("restore", audio_id, "-n")[1]
    assert call("rm", audio_id) == (0, "", "")
    assert server.noncurrent("bucket", f"audio/{audio_id}/audio.mp3") == []
    assert call("restore", audio_id)[0] == 0


def test_rm_says_that_versioning_keeps_nothing(call: Call, server: StrictServer) -> None:
    audio_id = _put(call, MP3)
    server.configure(
        "bucket",
        versioning={"enabled": True},
        softDeletePolicy={"retentionDurationSeconds": "0"},
    )
    code, _, err = call("rm", audio_id, "-n")
    assert code == 2
    assert "(soft delete is off, and versioning keeps nothing that is deleted)" in err


def test_a_bucket_keeps_even_what_is_deleted_permanently(call: Call, server: StrictServer) -> None:
    audio_id = _put(call, MP3)
    would = call("rm", audio_id, "--permanent", "-n")[1]
    assert "permanently (the bucket's soft delete still keeps and bills it for 7 days)" in would
    assert call("rm", audio_id, "--permanent")[0] == 0
    assert audio_id in call("trash", "list")[1]
    for args in ([audio_id], ["--all"], ["--all", "--dry-run"], [audio_id, "-n", "--json"]):
        code, out, err = call("purge", *args)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "cannot be made to do it earlier" in err
    assert call("restore", audio_id)[0] == 0


def test_restore_warns_about_an_asset_that_expired(call: Call, kind: str) -> None:
    audio_id = _put(call, MP3)
    with AudioStorageManager(_url(call)) as manager:
        audio = manager.get(audio_id).audio
        assert audio is not None
        manager.store.update(audio, {}, custom_time=datetime(2001, 1, 1, tzinfo=UTC))
    assert call("rm", audio_id) == (0, "", "")
    code, _, err = call("restore", audio_id)
    assert code == 0
    assert err == (
        f"audiostore: warning: {audio_id}: it expired at 2001-01-01 00:00 UTC: a lifecycle rule "
        "can delete it again, unless 'audiostore expire' sets a later time\n"
    )


def test_restore_can_print_what_it_would_restore(call: Call, kind: str) -> None:
    gone, present = _put(call, MP3), _put(call, OGG)
    call("rm", gone)
    code, out, err = call("restore", gone, present, UNKNOWN, "-n")
    assert code == 3
    (line,) = out.splitlines()
    assert line.startswith(f"would restore {gone}   172.2 KiB  deleted ")
    assert f"no deleted asset {UNKNOWN}" in err
    assert json.loads(call("restore", gone, "-n", "--json")[1])["would"] == "restore"
    assert call("show", gone)[0] == 3
    code, out, err = call("restore", UNKNOWN, gone, "--json")
    assert (code, json.loads(out)["audio_id"], err.count("\n")) == (3, gone, 1)


def test_restore_never_replaces_a_newer_asset(call: Call, kind: str) -> None:
    audio_id = _put(call, MP3)
    other = _put(call, OGG)
    call("rm", audio_id)
    call("rm", other)
    newer = repeated_mp3(2)
    Path("b.mp3").write_bytes(newer)
    assert _put(call, "b.mp3", "--id", audio_id) == audio_id
    assert call("restore", audio_id)[0] == 0
    assert json.loads(call("show", audio_id, "--json")[1])["audio"]["size_bytes"] == len(newer)


def test_purge_deletes_permanently(call: Call, bucket: str) -> None:
    first, second, kept = _put(call, MP3), _put(call, OGG), _put(call, MP3, "--meta", "a=b")
    for audio_id in (first, second):
        call("rm", audio_id)
    would = call("purge", "--all", "-n")[1].splitlines()
    assert sorted(line.split()[2] for line in would) == sorted([first, second])
    assert json.loads(call("purge", first, "-n", "--json")[1]) == {
        "would": "purge",
        "audio_id": first,
    }
    assert len(call("trash", "list")[1].splitlines()) == 2
    code, out, err = call("purge", first, UNKNOWN, "--json")
    assert (code, json.loads(out)) == (3, {"audio_id": first, "purged_objects": 2})
    assert err.count("\n") == 1
    assert call("purge", "--all") == (0, "", "")
    assert call("trash", "list") == (0, "", "")
    assert call("restore", second)[0] == 3
    assert call("show", kept)[0] == 0
    assert call("purge", "--all") == (0, "", "")
    assert call("purge")[0] == call("purge", first, "--all")[0] == call("purge", "x")[0] == 2


def test_purge_also_deletes_replaced_artwork(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3, "--thumbnail", COVER)
    call("cover", audio_id, OTHER_JPG)
    assert call("trash", "list")[1] == ""
    assert "(1 deleted objects)" in call("purge", audio_id, "-n")[1]
    assert json.loads(call("purge", audio_id, "--json")[1])["purged_objects"] == 1
    assert call("check")[0] == 0


def test_purge_asks_and_names_the_number_of_assets(run: Run, bucket: str) -> None:
    assert "is empty" in _on_terminal("purge", "--all")[1]
    for file in (MP3, OGG):
        audio_id = run("put", file).stdout.splitlines()[0]
        run("rm", audio_id)
    code, shown = _on_terminal("purge", "--all", typed=b"no\n")
    assert code == 1
    assert "Permanently delete all 2 deleted assets of file://" in shown
    assert len(run("trash", "list").stdout.splitlines()) == 2
    assert _on_terminal("purge", "--all", "--yes")[0] == 0
    assert run("trash", "list").stdout == ""


def test_a_superseded_asset_is_linked_and_can_be_trashed(call: Call, kind: str) -> None:
    old = _put(call, MP3)
    new = _put(call, OGG, "--supersedes", old[:8])  # its first characters are enough
    assert json.loads(call("show", old, "--json")[1])["audio"]["metadata"]["superseded_by"] == new
    assert json.loads(call("show", new, "--json")[1])["audio"]["metadata"]["supersedes"] == old
    assert call("check")[0] == 0
    first = _put(call, MP3, "--title", "first")
    second = _put(call, MP3, "--title", "second", "--supersedes", first, "--trash-superseded")
    assert (call("show", first)[0], call("show", second)[0]) == (3, 0)
    assert first in call("trash", "list")[1]
    assert call("put", OGG, "--trash-superseded")[0] == 2
    assert call("put", OGG, "--supersedes", UNKNOWN)[0] == 3
    assert call("check")[0] == 0
