"""meta, cover, url, hold, release, expire and set-class, as typed: on a directory, on a bucket."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from audiostore import AudioStorageManager
from audiostore.cli import choosing
from audiostore.cli.values import link_lifetime, moment
from audiostore.stores.gcs.store import GcsStore
from tests.assets import OTHER_JPG
from tests.cli.conftest import COVER, MP3, Call, Run
from tests.cli.test_terminal import _on_terminal
from tests.gcs_server import StrictServer
from tests.gcs_server.objects import Preconditions
from tests.timing import PATIENCE_S
from tests.unit.test_gcs_signing import keyed

UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
RULE = "expire_on_custom_time = true\n"


@pytest.fixture(params=["directory", "bucket"])
def kind(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue("bucket" if request.param == "directory" else "server")
    return str(request.param)


@pytest.fixture
def audio_id(call: Call, kind: str) -> str:
    code, out, err = call("put", MP3, "--thumbnail", COVER, "--meta", "mood=calm")
    assert (code, err) == (0, "")
    return out.splitlines()[0]


def _shown(call: Call, audio_id: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(call("show", audio_id, "--json")[1])
    return found


def _own(call: Call, audio_id: str) -> dict[str, str]:
    metadata = _shown(call, audio_id)["audio"]["metadata"]
    assert isinstance(metadata, dict)
    return {key: metadata[key] for key in ("title", "mood", "key") if key in metadata}


def test_meta_sets_and_removes(call: Call, audio_id: str) -> None:
    code, out, err = call("meta", audio_id, "title=Sinnerman", "key=a=b", "--remove", "mood")
    assert (code, err) == (0, "")
    assert "title=Sinnerman" in out
    assert _own(call, audio_id) == {"title": "Sinnerman", "key": "a=b"}
    shown = json.loads(call("meta", audio_id, "title=Other", "--json")[1])
    assert shown["audio"]["metadata"]["title"] == "Other"
    assert call("meta", audio_id, "key=1", "--replace")[0] == 0
    assert _own(call, audio_id) == {"key": "1"}


def test_meta_can_print_what_it_would_change(call: Call, audio_id: str) -> None:
    before = _shown(call, audio_id)
    args = ("meta", audio_id, "title=X\x1b[2J", "--remove", "mood", "--remove", "none", "-n")
    assert call(*args) == (0, "would remove mood\nwould set title=X\\x1b[2J\n", "")
    plan = {"would": "change", "audio_id": audio_id, "metadata": {"title": "X", "mood": None}}
    told = call("meta", audio_id, "title=X", "--remove", "mood", "--dry-run", "--json")[1]
    assert json.loads(told) == plan
    assert call("meta", audio_id, "--replace", "-n")[1] == "would remove mood\n"
    assert call("meta", audio_id, "mood=calm", "-n") == (0, "", "")
    assert _shown(call, audio_id) == before


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["key"],
        ["key=1", "key=2"],
        ["key=1", "--remove", "key"],
        ["audio_id=x"],
        ["--remove", "crc32c"],
        ["key=" + "x" * 9000],
        ["key=\udcff"],
    ],
)
def test_bad_metadata_changes_nothing(call: Call, audio_id: str, args: list[str]) -> None:
    before = _shown(call, audio_id)
    for more in ([], ["--dry-run"]):
        code, out, err = call("meta", audio_id, *args, *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "bug" not in err
    assert _shown(call, audio_id) == before


def test_keys_that_are_not_named_are_removed_only_with_replace(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3, "--meta", "mood=calm").stdout.splitlines()[0]
    code, shown = _on_terminal("meta", audio_id, "key=1", "--replace", typed=b"n\n")
    assert code == 1
    assert "Remove mood too? This cannot be undone [y/N]" in shown
    assert "mood" in run("show", audio_id).stdout
    assert _on_terminal("meta", audio_id, "key=1", "--replace", "--yes")[0] == 0
    assert "mood" not in run("show", audio_id).stdout
    assert "[y/N]" not in _on_terminal("meta", audio_id, "--remove", "key")[1]


def test_cover_replaces_the_artwork(call: Call, audio_id: str) -> None:
    before = _shown(call, audio_id)
    would = call("cover", audio_id, OTHER_JPG, "--dry-run")
    assert would[:2] == (
        0,
        f"would store harbour-lights.jpg (image/jpeg) as the artwork of {audio_id}\n",
    )
    plan = json.loads(call("cover", audio_id, OTHER_JPG, "-n", "--json")[1])
    assert (plan["would"], plan["content_type"]) == ("store", "image/jpeg")
    assert _shown(call, audio_id) == before
    assert call("cover", audio_id, OTHER_JPG)[0] == 0
    assert call("get", audio_id, "--part", "thumbnail", "-o", "got.jpg")[0] == 0
    assert Path("got.jpg").read_bytes() == OTHER_JPG.read_bytes()


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_cover_rejects_what_is_not_an_image(call: Call, audio_id: str, more: list[str]) -> None:
    Path("text.jpg").write_text("no image")
    for file in ("missing.jpg", "text.jpg", str(MP3), "."):
        code, out, err = call("cover", audio_id, file, *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "bug" not in err
    assert call("cover", UNKNOWN, COVER, *more)[0] == 3


def test_cover_asks_before_it_replaces(run: Run, bucket: str) -> None:
    with_cover = run("put", MP3, "--thumbnail", COVER).stdout.splitlines()[0]
    code, shown = _on_terminal("cover", with_cover, OTHER_JPG, typed=b"n\n")
    assert code == 1
    assert "morning-in-c.mp3\r\nReplace its artwork?" in shown
    bare = run("put", MP3, "--no-artwork", "--no-journal").stdout.splitlines()[0]
    code, shown = _on_terminal("cover", bare, OTHER_JPG)
    assert (code, "[y/N]" in shown) == (0, False)


def test_a_hold_protects_until_it_is_released(call: Call, audio_id: str) -> None:
    assert call("hold", audio_id, "-n")[1].startswith(f"would hold {audio_id}  mp3 ")
    assert json.loads(call("hold", audio_id, "-n", "--json")[1])["would"] == "hold"
    assert "until 'audiostore release'" not in call("show", audio_id)[1]
    code, out, err = call("hold", audio_id, UNKNOWN, audio_id)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "until 'audiostore release'" in call("show", audio_id)[1]
    for args in (
        ["rm", audio_id],
        ["cover", audio_id, OTHER_JPG],
        ["set-class", audio_id, "ARCHIVE"],
    ):
        code, out, err = call(*args)
        assert (code, out) == (1, "")
        assert "hold" in err
        assert "bug" not in err
    assert call("release", audio_id, "-n")[0] == 0
    assert call("rm", audio_id)[0] == 1
    released = json.loads(call("release", audio_id, "--json")[1])
    assert released["audio"]["temporary_hold"] is False
    assert call("rm", audio_id)[0] == 0


@pytest.mark.parametrize("prefix", ["", "/prod"])
def test_the_doctor_names_the_rule_that_uploads_in_steps_need(
    call: Call, server: StrictServer, prefix: str
) -> None:
    del server
    bucket = f"gs://bucket{prefix}"
    missing = "delete_incoming_after_days = 1"
    code, out, _ = call("doctor", "--bucket", bucket)
    assert (code, missing in out) == (0, True)
    Path("lifecycle.toml").write_text("abort_uploads_after_days = 7")
    assert call("lifecycle", "apply", "lifecycle.toml", "--yes", "--bucket", bucket)[0] == 0
    assert missing in call("doctor", "--bucket", bucket)[1]
    Path("lifecycle.toml").write_text(missing)
    assert call("lifecycle", "apply", "lifecycle.toml", "--yes", "--bucket", bucket)[0] == 0
    shown = call("lifecycle", "show", "--bucket", bucket)[1]
    assert "delete uploads in steps that were not completed within a day" in shown
    code, out, _ = call("doctor", "--bucket", bucket)
    assert (code, missing in out) == (0, False)
    assert "the bucket deletes uploads that nobody completes" in out


def test_a_project_to_bill_is_named_on_the_command_line(call: Call, server: StrictServer) -> None:
    server.billing.payers = {"payer"}
    server.configure("bucket", billing={"requesterPays": True})
    code, out, err = call("list")
    assert (code, out) == (2, "")
    assert "give --billing-project, or set GCS_BILLING_PROJECT" in err
    code, out, _ = call("doctor")
    assert code == 1
    assert "give --billing-project" in out
    assert call("doctor", "--billing-project", "payer")[0] == 0
    code, out, _ = call("put", MP3, "--billing-project", "payer")
    assert code == 0
    copied = call(
        *("copy", "--from", "gs://bucket", "--to", Path("copy").absolute().as_uri()),
        *("--billing-project", "payer"),
    )
    assert copied[:2] == (0, out.splitlines()[0] + "\n")


def test_what_else_protects_an_asset_is_shown_and_not_released(
    call: Call, server: StrictServer
) -> None:
    server.configure("bucket", defaultEventBasedHold=True)
    audio_id = call("put", MP3)[1].splitlines()[0]
    assert "event-based: until the program that set it releases it" in call("show", audio_id)[1]
    assert call("list", "--held")[1].startswith(audio_id)
    call("hold", audio_id)
    code, _, err = call("rm", audio_id)
    assert (code, err.count("\n")) == (1, 1)
    assert "protected by a temporary hold and an event-based hold" in err
    assert f"run 'audiostore release {audio_id} --bucket bucket' first" in err
    code, out, err = call("release", audio_id)
    assert (code, out, err.count("\n")) == (0, "", 1)
    assert "audio.mp3 is still protected by an event-based hold" in err
    code, _, err = call("rm", audio_id)
    assert (code, "audiostore release" in err) == (1, False)
    assert "the program that set the event-based hold must release it first" in err
    server.configure("bucket", retentionPolicy={"retentionPeriod": "600"})
    patch = {"eventBasedHold": False}
    server.state.patch("bucket", f"audio/{audio_id}/audio.mp3", None, Preconditions(), patch)
    assert "retained        until 20" in call("show", audio_id)[1]
    assert "is protected by its retention period, until" in call("rm", audio_id)[2]


def test_an_asset_expires_on_a_date_that_only_moves_later(call: Call, audio_id: str) -> None:
    Path("lifecycle.toml").write_text(RULE)
    assert call("lifecycle", "apply")[0] == 0
    would = call("expire", audio_id, "--on", "2041-05-06", "-n")
    assert would == (
        0,
        f"would expire {audio_id}: the store deletes it on 2041-05-06 00:00 UTC\n",
        "",
    )
    assert "expires  " not in call("show", audio_id)[1]
    code, out, err = call("expire", audio_id, "--on", "2041-05-06T02:00:00+02:00")
    assert (code, err) == (0, "")
    assert out.count("expires         2041-05-06 00:00:00 UTC") == 2
    for more in ([], ["--dry-run"]):
        code, out, err = call("expire", audio_id, "--on", "2041-05-05", *more)
        assert (code, out) == (2, "")
        assert "can be moved later, but not earlier" in err
    assert call("expire", audio_id, "--on", "2042-01-01", "--json")[0] == 0
    assert "2042-01-01" in call("show", audio_id)[1]


def test_a_date_in_the_past_is_refused(call: Call, audio_id: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    for on in (yesterday.isoformat(), "0001-01-01", "1970-01-01T00:00:00+01:00"):
        for more in ([], ["--dry-run"], ["--yes"]):
            code, out, err = call("expire", audio_id, "--on", on, *more)
            assert (code, out) == (2, "")
            assert "is in the past: give a future date, or delete the asset now with" in err
            assert f"'audiostore rm {audio_id} --bucket " in err
    assert "expires  " not in call("show", audio_id)[1]


@pytest.mark.parametrize(
    "text", ["tomorrow", "", "2031-13-01", "0001-01-01T00:00+01:00", "9999-12-31T23:59-05:00"]
)
def test_an_invalid_date_is_rejected(call: Call, bucket: str, text: str) -> None:
    code, out, err = call("expire", UNKNOWN, "--on", text)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "(examples: 2026-01-31, 2026-01-31T18:00+01:00)" in err


def test_a_date_without_a_zone_is_utc() -> None:
    assert moment("2031-12-31") == datetime(2031, 12, 31, tzinfo=UTC)
    assert moment("2031-12-31T18:00:00+01:00") == datetime(2031, 12, 31, 17, tzinfo=UTC)


def test_expire_warns_about_what_prevents_it(call: Call, audio_id: str) -> None:
    code, _, err = call("expire", audio_id, "--on", "2041-05-06")
    assert code == 0
    assert "has no rule that deletes by it: put 'expire_on_custom_time = true'" in err
    call("hold", audio_id)
    assert (
        "under a hold, and is kept until 'audiostore release'"
        in call("expire", audio_id, "--on", "2041-05-06")[2]
    )


def test_expire_works_where_the_settings_cannot_be_read(call: Call, server: StrictServer) -> None:
    audio_id = call("put", MP3)[1].splitlines()[0]
    server.denied.add("storage.buckets.get")
    code, out, err = call("expire", audio_id, "--on", "2041-05-06")
    assert code == 0
    assert "2041-05-06" in out
    assert err == (
        "audiostore: warning: cannot tell whether the store will delete it: storage.buckets.get is "
        "missing\n"
    )
    assert call("set-class", audio_id, "COLDLINE")[0] == 0
    code, out, _ = call("set-class", audio_id, "STANDARD", "-n")
    assert (code, "charged now" in out, "list prices" in out) == (0, True, True)


def test_expire_asks_on_a_terminal(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    code, shown = _on_terminal("expire", audio_id, "--on", "2041-05-06", typed=b"\n")
    assert code == 1
    assert "morning-in-c.mp3\r\nDelete it on 2041-05-06 00:00 UTC? The date can be moved" in shown
    assert "expires" not in run("show", audio_id).stdout
    assert _on_terminal("expire", audio_id, "--on", "2041-05-06", typed=b"y\n")[0] == 0
    assert "expires" in run("show", audio_id).stdout


def test_set_class_moves_the_audio_and_leaves_the_artwork(call: Call, audio_id: str) -> None:
    before = _shown(call, audio_id)
    assert call("set-class", audio_id, "coldline", "-n")[0] == 0
    assert _shown(call, audio_id) == before
    code, out, _ = call("set-class", audio_id, "coldline", "--json")
    assert code == 0
    after = json.loads(out)
    assert after["audio"]["storage_class"] == "COLDLINE"
    assert after["audio"]["generation"] != before["audio"]["generation"]
    assert after["thumbnail"]["storage_class"] == "STANDARD"
    assert call("set-class", audio_id, "COLDLINE")[0] == 0
    assert _shown(call, audio_id)["audio"]["generation"] == after["audio"]["generation"]
    assert call("set-class", audio_id, "GLACIER")[0] == 2
    assert call("set-class", UNKNOWN, "ARCHIVE")[0] == 3


@pytest.mark.slow
def test_set_class_lists_what_a_bucket_charges(call: Call, server: StrictServer) -> None:
    audio_id = call("put", MP3)[1].splitlines()[0]
    code, _, err = call("set-class", audio_id, "COLDLINE")
    assert (code, err.count("\n")) == (0, 1)
    assert "COLDLINE charges for at least 90 days, and for every read" in err
    plan = json.loads(call("set-class", audio_id, "STANDARD", "-n", "--json")[1])
    assert (plan["from"], plan["to"]) == ("COLDLINE", "STANDARD")
    early, retrieval = plan["costs"]
    assert early.startswith(
        "it has been COLDLINE for 0 of at least 90 days: the remaining 90 days are"
    )
    assert early.endswith("charged now (less than 0.01 USD by list prices)")
    assert retrieval == "reading it from COLDLINE is charged per byte"
    code, shown = _on_terminal("set-class", audio_id, "STANDARD", typed=b"n\n")
    assert code == 1
    assert "charged per byte\r\nMove its audio to STANDARD? [y/N]" in shown
    assert _shown(call, audio_id)["audio"]["storage_class"] == "COLDLINE"


def test_a_directory_charges_nothing(call: Call, run: Run, bucket: str) -> None:
    audio_id = call("put", MP3)[1].splitlines()[0]
    for storage_class in ("COLDLINE", "STANDARD"):
        code, _, err = call("set-class", audio_id, storage_class)
        assert (code, err) == (0, "")


@pytest.mark.parametrize("args", [["meta", "a=1"], ["hold"], ["release"], ["url"]])
def test_an_invalid_or_unknown_id_has_its_exit_code(call: Call, kind: str, args: list[str]) -> None:
    command, *more = args
    for audio_id, expected in (("x", 2), (UNKNOWN, 3), (UNKNOWN.upper(), 3)):
        code, out, err = call(command, audio_id, *more)
        assert (code, out, err.count("\n")) == (expected, "", 1)


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("90s", 90), ("2h", 7200), ("7D", 604800), ("604800", 604800)]
)
def test_a_lifetime_is_parsed(text: str, expected: int) -> None:
    assert link_lifetime(text) == expected


@pytest.mark.parametrize("text", ["0", "8d", "604801", "x", "", "-1h", "1.5h", "9" * 5000])
def test_an_invalid_lifetime_is_rejected(call: Call, kind: str, text: str) -> None:
    code, out, err = call("url", UNKNOWN, f"--expires={text}")
    assert (code, out) == (2, "")
    assert "--expires" in err
    assert "bug" not in err


@pytest.mark.parametrize("name", ["", " ", "a\nb.mp3", "\udcff.mp3"])
def test_a_link_is_saved_under_a_valid_file_name(call: Call, bucket: str, name: str) -> None:
    code, _, err = call("url", UNKNOWN, f"--download-as={name}")
    assert (code, "--download-as" in err) == (2, True)


def test_url_without_keys_fails_with_a_hint(call: Call, audio_id: str, kind: str) -> None:
    code, out, err = call("url", audio_id)
    assert (code, out, err.count("\n")) == (1, "", 1)
    hint = {"directory": "copy the asset to a bucket", "bucket": "GOOGLE_APPLICATION_CREDENTIALS"}
    assert hint[kind] in err


@pytest.mark.slow
def test_a_url_can_be_played_and_saved(
    call: Call, server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio_id = call("put", MP3, "--thumbnail", COVER)[1].splitlines()[0]

    @contextmanager
    def opened(*_: object) -> Iterator[AudioStorageManager]:  # the emulator has no keys
        store = GcsStore("bucket", emulator=server.url, credentials=keyed(server))
        with AudioStorageManager(store=store) as manager:
            yield manager

    monkeypatch.setattr(choosing, "opened", opened)
    code, out, err = call("url", audio_id, "--expires", "2h", "--download-as", "Für Elise.mp3")
    assert (code, err) == (0, "")
    response, body = _fetched(out.strip())
    assert body == MP3.read_bytes()
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    told = json.loads(call("url", audio_id, "--part", "thumbnail", "--json")[1])
    assert (told["audio_id"], told["part"], told["expires_s"]) == (audio_id, "thumbnail", 3600)
    assert _fetched(told["url"])[1] == COVER.read_bytes()


def _fetched(url: str) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
    line.request("GET", f"{parts.path}?{parts.query}")
    response = line.getresponse()
    body = response.read()
    line.close()
    return response, body
