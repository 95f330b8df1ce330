"""check, lifecycle and copy, as typed: on a directory and on a bucket."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from audiostore import AudioStorageManager, LocalStore
from audiostore.cli.declare import StoreOptions, argument, option
from audiostore.cli.registry import find_commands
from audiostore.config import state_directory
from audiostore.stores.gcs.store import GcsStore
from tests.assets import OGG, Store
from tests.cli.conftest import COMMAND, COVER, MP3, Call, Run
from tests.cli.test_terminal import _on_terminal
from tests.damages import (
    Patient,
    foreign_beside,
    missing_thumbnail_in_trash,
    wrong_bytes,
    wrong_content_type,
)
from tests.gcs_server import Request, StrictServer
from tests.inventories import rows_of, write_report
from tests.timing import PATIENCE_S, wait_until

UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
DAY_S = 24 * 3600


@pytest.fixture(params=["directory", "bucket"])
def kind(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue("bucket" if request.param == "directory" else "server")
    return str(request.param)


@pytest.fixture
def patient(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[Patient]:
    store: Store
    if kind == "directory":
        store = LocalStore(tmp_path / "store")
    else:
        store = GcsStore("bucket", emulator=request.getfixturevalue("server").url)
    with AudioStorageManager(store=store) as manager:
        yield Patient(store, manager, tmp_path / "store")


def _put(call: Call, *args: str | Path) -> str:
    code, out, err = call("put", *args)
    assert (code, err) == (0, "")
    return out.splitlines()[0]


# --- check ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_healthy_store_has_no_problems(call: Call, patient: Patient) -> None:
    patient.asset()
    patient.asset(OGG, None)
    for args in ([], ["--deep"], ["--repair"], ["--repair", "--yes"]):
        out = "checked 2 assets (3 objects): no problems found\n"
        assert call("check", *args) == (0, out, "")
    assert call("check", "--json") == (0, "", "")


@pytest.mark.slow
def test_a_problem_is_printed_with_its_hint(call: Call, patient: Patient) -> None:
    name = wrong_content_type(patient)
    code, out, err = call("check")
    assert code == 1
    assert out == (
        f"wrong-content-type: {name}: it is served as 'application/octet-stream', not "
        "'audio/mpeg'\n  -> correct it: players go by it\n"
    )
    assert "1 problem; run with --repair to see how to repair each" in err
    (line,) = call("check", "--json")[1].splitlines()
    assert json.loads(line)["kind"] == "wrong-content-type"


@pytest.mark.slow
def test_repair_prints_a_plan_and_changes_nothing(call: Call, patient: Patient) -> None:
    name = wrong_content_type(patient)
    before = patient.store.stat(name)
    for args in (["--repair"], ["--repair", "--dry-run"], ["--repair", "--yes", "--dry-run"]):
        code, out, err = call("check", *args)
        assert code == 1
        assert f"-> would serve it as audio/mpeg ({name}), once it is 24 hours old" in out
        assert "nothing was changed: add --yes to repair" in err
    assert patient.store.stat(name) == before
    assert call("check", "--yes")[0] == 2


@pytest.mark.slow
def test_what_is_repaired_by_hand_is_not_promised_to_a_program(
    call: Call, patient: Patient
) -> None:
    foreign_beside(patient)
    for args in ([], ["--repair"], ["--deep", "--repair", "-n"]):
        code, _, err = call("check", *args)
        assert code == 1
        assert err.endswith(": 1 problem; to be repaired by hand: '->' says how\n")
    wrong_content_type(patient)
    assert (
        "2 problems; nothing was changed: add --yes to repair 1 of them"
        in (call("check", "--repair")[2])
    )


@pytest.mark.slow
def test_repair_skips_what_is_too_young(call: Call, patient: Patient) -> None:
    name = wrong_content_type(patient)
    code, out, err = call("check", "--repair", "--yes")
    assert code == 1
    assert "skipped: younger than 24 hours" in out
    assert "1 problem, 0 repaired" in err
    (line,) = call("check", "--repair", "--yes", "--json")[1].splitlines()
    assert json.loads(line)["outcome"] == "too young"
    assert patient.store.stat(name).content_type == "application/octet-stream"


@pytest.mark.slow
def test_repair_repairs_what_is_old_enough(
    call: Call, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = LocalStore(tmp_path / "store", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    patient = Patient(long_ago, AudioStorageManager(store=long_ago), tmp_path / "store")
    repaired, by_hand = wrong_content_type(patient), wrong_bytes(patient)
    code, out, err = call("check", "--repair", "--yes")
    assert code == 1
    assert f"-> serve it as audio/mpeg ({repaired}): repaired" in out
    assert f"wrong-bytes: {by_hand}: it holds" in out
    assert "-> by hand: restore it from a copy" in out
    assert "2 problems, 1 repaired" in err
    assert long_ago.stat(repaired).content_type == "audio/mpeg"
    assert call("check")[1].count("->") == 1


def test_deep_reads_every_byte(call: Call, bucket: str, tmp_path: Path) -> None:
    audio_id = _put(call, MP3)
    path = tmp_path / "store" / "audio" / audio_id / "audio.mp3"
    data = bytearray(path.read_bytes())
    data[50_000] ^= 1
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    code, out, _ = call("check", "--deep")
    assert code == 1
    assert f"damaged-bytes: audio/{audio_id}/audio.mp3: its bytes are not those" in out


def test_checking_an_empty_store_warns(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mistyped").mkdir()
    code, out, err = call("check", "--bucket", (tmp_path / "mistyped").as_uri())
    assert (code, out) == (0, "")
    assert "is this the right store?" in err
    assert [*(tmp_path / "mistyped").iterdir()] == []


@pytest.mark.slow
def test_a_long_check_shows_progress(call: Call, server: StrictServer) -> None:
    _put(call, MP3)
    slow = Event()  # never set: each read of an object waits

    def delay(request: Request) -> None:
        if request.operation == "download":
            slow.wait(1.2)

    server.on_request = delay
    code, shown = _on_terminal("check", "--deep")
    assert code == 0
    assert re.search(r"[01] of 1 assets  .* of 1\d\d\.\d KiB  \d+%", shown)
    assert shown.endswith("checked 1 asset (2 objects): no problems found\r\n")


def test_a_killed_deep_check_is_continued(run: Run, server: StrictServer) -> None:
    ids = sorted(
        run("put", MP3, "--no-artwork", "--no-journal").stdout.split()[0] for _ in range(3)
    )
    read: list[str] = []
    processes: list[subprocess.Popen[bytes]] = []
    records, ends = state_directory() / "checks", True

    def watch(request: Request) -> None:
        if request.operation == "download":
            read.extend(audio_id for audio_id in ids if audio_id in request.name)
            if ends and ids[2] in request.name:
                wait_until(lambda: [f.stat().st_size for f in records.iterdir()] == [32 + 2 * 8])
                wait_until(lambda: bool(processes))
                processes[0].kill()

    server.on_request = watch
    with subprocess.Popen([*COMMAND, "check", "--deep"], stderr=subprocess.DEVNULL) as process:
        processes.append(process)
    assert process.returncode == -9
    assert sorted(read) == ids
    ends = False
    read.clear()
    again = run("check", "--deep")
    assert (again.returncode, read) == (0, ids[2:])
    assert re.search(
        r"note: continuing the check that began on .* UTC and was interr", again.stderr
    )
    assert again.stdout == (
        "checked 3 assets (3 objects), read 1 (172.2 KiB); 2 were read by the interrupted check: "
        "no problems found\n"
    )
    read.clear()
    assert run("check", "--deep").stdout == "checked 3 assets (3 objects): no problems found\n"
    assert sorted(read) == ids  # a complete check is not continued
    assert run("check", "--restart").returncode == 2


@pytest.mark.slow
def test_a_part_of_a_store_is_checked(call: Call, bucket: str) -> None:
    ids = [f"{c}0000000-0000-4000-8000-000000000000" for c in "147c"]
    for audio_id in ids:
        assert call("put", MP3, "--no-artwork", "--id", audio_id)[0] == 0
    for number, count in enumerate((1, 2, 0, 1), 1):
        out = f"shard {number}/4: checked {count} asset{'' if count == 1 else 's'} "
        code, printed, err = call("check", "--deep", "--shard", f"{number}/4")
        assert (code, err) == (0, "")
        assert printed.startswith(out)
    code, out, err = call("check", "--deep", "--sample", "100%")
    assert (code, err) == (0, "")
    assert "checked 4 assets (4 objects), read 4 (" in out
    assert call("check", "--deep", "--sample", "0.000001%")[1].count("read 0 (0 B)") == 1
    for wrong in ("0/4", "5/4", "1/0", "-1/4", "1", "1/4/2", "a/b", "1.5/4", "", "1/ 4", "²/4"):
        assert call("check", f"--shard={wrong}")[0] == 2
    for wrong in ("0%", "100.1%", "-1%", "1", "nan%", "1e1%", "%", "", "1 %", "٣%"):
        code, _, err = call("check", "--deep", f"--sample={wrong}")
        assert (code, "invalid share" in err) == (2, True)
    assert "--sample needs --deep" in call("check", "--sample", "1%")[2]


def test_an_inventory_report_in_a_bucket_is_checked_instead_of_a_walk(
    call: Call, server: StrictServer, tmp_path: Path
) -> None:
    patient = Patient(
        GcsStore("bucket", emulator=server.url), AudioStorageManager("bucket"), tmp_path
    )
    patient.asset()
    wrong = wrong_content_type(patient)
    rows = rows_of(patient.store.list(""), "bucket")
    manifest = write_report(tmp_path / "report", rows)
    for file in manifest.parent.iterdir():
        patient.put(f"reports/{file.name}", file.read_bytes(), "text/plain")
    before = len(server.requests)
    code, out, err = call("check", "--inventory", f"gs://bucket/reports/{manifest.name}")
    assert (code, out.startswith(f"wrong-content-type: {wrong}: ")) == (1, True)
    assert "the report shows the bucket as of 20" in err
    assert "error: by the report, checked 2 assets (3 objects): 1 problem; run with" in err
    looked_at = [
        each
        for each in server.requests[before:]
        if each.query.get("prefix", "").startswith("audio/")
    ]
    assert len(looked_at) == 1
    place = ["check", "--inventory", manifest]
    assert call(*place, "--repair", "--yes", "--known", manifest)[0] == 2
    code, out, err = call(*place, "--repair")
    assert (code, "-> would serve it as audio/mpeg" in out) == (1, True)
    for wrongly in (["--deep"], ["--shard", "1/2"], ["--run", "x"]):
        assert "--inventory" in call(*place, *wrongly)[2]
    assert "--known needs --inventory" in call("check", "--known", "x")[2]
    assert call("check", "--inventory", "gs://bucket/reports/none.json")[0] == 2
    (tmp_path / "x.json").write_text("{}")
    code, out, err = call("check", "--inventory", tmp_path / "x.json")
    assert (code, "is not the manifest of an inventory report" in err) == (2, True)


# --- lifecycle ------------------------------------------------------------------------------------


def test_a_policy_is_planned_applied_and_shown(call: Call, kind: str) -> None:
    _put(call, MP3)
    Path("lifecycle.toml").write_text(call("lifecycle", "example")[1])
    code, out, err = call("lifecycle", "plan")
    assert code == 0
    assert "+ move audio to NEARLINE, 30 days after it was stored\n" in out
    assert out.endswith("now: no stored asset would be affected yet\n")
    assert "no versioning" in err
    assert call("lifecycle", "apply", "-n")[0] == 0
    assert call("lifecycle", "show")[1] == "keep deleted assets for 7 days\n"
    applied = json.loads(call("lifecycle", "apply", "--json")[1])
    assert (applied["applied"], applied["steps"][0]["kind"]) == (True, "add")
    assert "move audio to NEARLINE, 30 days after" in call("lifecycle", "show")[1]
    assert all(rule["ours"] for rule in json.loads(call("lifecycle", "show", "--json")[1])["rules"])
    again = json.loads(call("lifecycle", "apply", "--json")[1])
    assert (again["applied"], again["steps"][0]["kind"]) == (False, "keep")
    assert "now:" not in call("lifecycle", "plan")[1]


def test_a_plan_shows_what_it_would_affect_and_save(call: Call, server: StrictServer) -> None:
    audio_id = _put(call, MP3)
    Path("p.toml").write_text("expire_on_custom_time = true")
    call("expire", audio_id, "--on", (datetime.now(UTC)).strftime("%Y-12-31"))
    code, out, _ = call("lifecycle", "plan", "p.toml")
    assert (code, out.splitlines()[-1]) == (0, "now: no stored asset would be affected yet")
    Path("p.toml").write_text("nearline_after_days = 30")
    plan = json.loads(call("lifecycle", "plan", "p.toml", "--json")[1])
    assert plan["effects"][0]["currency"] == "USD"


def test_a_plan_counts_what_is_due(call: Call, bucket: str, tmp_path: Path) -> None:
    _store_long_ago(tmp_path)
    Path("p.toml").write_text("nearline_after_days = 30")
    code, out, _ = call("lifecycle", "plan", "p.toml")
    assert code == 0
    assert out.splitlines()[-1] == (
        "now: move audio to NEARLINE, 30 days after it was stored: 1 asset, 172.2 KiB"
    )


def _store_long_ago(tmp_path: Path) -> str:
    store = LocalStore(tmp_path / "store", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with AudioStorageManager(store=store) as manager:
        return manager.upload_audio_file(MP3).audio_id


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "create one with 'audiostore lifecycle example > lifecycle.toml'"),
        ("nearline_after_day = 3", "did you mean nearline_after_days?"),
        ("x = [", "not valid TOML"),
        ("nearline_after_days = 0", "must be a number of days"),
        ("nearline_after_days = 9\ncoldline_after_days = 9", "is not later than"),
    ],
)
def test_an_invalid_policy_is_rejected(call: Call, kind: str, text: str | None, words: str) -> None:
    if text is not None:
        Path("lifecycle.toml").write_text(text)
    for command in ("plan", "apply"):
        code, out, err = call("lifecycle", command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err


def test_rules_that_are_not_ours_stay(call: Call, server: StrictServer) -> None:
    foreign = {"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["tmp/"]}}
    server.configure("bucket", lifecycle={"rule": [foreign]})
    Path("lifecycle.toml").write_text("expire_after_days = 900")
    assert "1 rules that are not audiostore's stay" in call("lifecycle", "apply")[1]
    shown = call("lifecycle", "show")[1]
    assert 'not audiostore\'s: {"action": {"type": "Delete"}' in shown
    Path("lifecycle.toml").write_text("")
    assert call("lifecycle", "apply")[0] == 0
    assert json.loads(call("lifecycle", "show", "--json")[1])["rules"] == [
        {"ours": False, "current": False, "rule": foreign}
    ]


def test_rules_of_an_earlier_release_are_to_be_applied_again(call: Call, bucket: str) -> None:
    Path("lifecycle.toml").write_text("expire_after_days = 900")
    call("lifecycle", "apply")
    with AudioStorageManager(bucket) as manager:
        (rule,) = json.loads(json.dumps(manager.admin.settings().lifecycle_rules))
        rule["condition"]["matchesSuffix"].remove("/audio.ogg")
        manager.admin.change_settings(manager.admin.settings(), lifecycle_rules=(rule,))
    old = "delete audio 900 days after it was stored (written by an earlier release: apply again)"
    assert call("lifecycle", "plan")[1].startswith(f"~ {old}\n")
    assert call("lifecycle", "show")[1].endswith(f"{old}\n")
    assert call("lifecycle", "apply")[0] == 0
    assert call("lifecycle", "plan")[1] == "  delete audio 900 days after it was stored\n"


@pytest.mark.parametrize("command", ["show", "plan", "apply"])
def test_settings_that_cannot_be_read_are_an_error_with_a_hint(
    call: Call, server: StrictServer, command: str
) -> None:
    Path("lifecycle.toml").write_text("expire_after_days = 900")
    server.denied.add("storage.buckets.get")
    code, out, err = call("lifecycle", command)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "403" in err
    assert "bug" not in err


def test_settings_that_cannot_be_changed_are_an_error(call: Call, server: StrictServer) -> None:
    Path("lifecycle.toml").write_text("expire_after_days = 900")
    server.denied.add("storage.buckets.update")
    code, _, err = call("lifecycle", "apply")
    assert (code, err.count("\n")) == (1, 1)
    assert "403" in err
    assert call("lifecycle", "show")[1] == "keep deleted assets for 7 days\n"


def test_apply_asks_on_a_terminal(run: Run, bucket: str) -> None:
    Path("lifecycle.toml").write_text("expire_after_days = 900")
    code, shown = _on_terminal("lifecycle", "apply", typed=b"n\n")
    assert code == 1
    assert "+ delete audio 900 days after it was stored\r\n" in shown
    assert "\r\nApply this policy to file://" in shown
    assert "900" not in run("lifecycle", "show").stdout
    assert _on_terminal("lifecycle", "apply", typed=b"y\n")[0] == 0
    assert "900" in run("lifecycle", "show").stdout


def test_run_carries_the_rules_out_on_a_directory(call: Call, bucket: str, tmp_path: Path) -> None:
    old, new = _store_long_ago(tmp_path), _put(call, OGG)
    assert call("lifecycle", "run") == (0, "", "")
    Path("lifecycle.toml").write_text("nearline_after_days = 30")
    call("lifecycle", "apply")
    assert call("lifecycle", "run", "-n") == (0, f"{old}  move to NEARLINE: due\n", "")
    assert json.loads(call("show", old, "--json")[1])["audio"]["storage_class"] == "STANDARD"
    done = json.loads(call("lifecycle", "run", "--json")[1])
    assert (done["audio_id"], done["outcome"]) == (old, "done")
    assert json.loads(call("show", old, "--json")[1])["audio"]["storage_class"] == "NEARLINE"
    Path("lifecycle.toml").write_text("expire_after_days = 90")
    call("lifecycle", "apply")
    call("hold", old)
    assert call("lifecycle", "run")[1] == f"{old}  delete: skipped: it is under a hold\n"
    call("release", old)
    assert call("lifecycle", "run")[1] == f"{old}  delete: done\n"
    assert old in call("trash", "list")[1]
    assert call("show", new)[0] == 0


def test_a_run_of_the_rules_reports_its_progress(call: Call, bucket: str, tmp_path: Path) -> None:
    for file in (MP3, OGG):
        _put(call, file)
    Path("lifecycle.toml").write_text("expire_after_days = 90")
    call("lifecycle", "apply")
    counts: list[int] = []
    with AudioStorageManager(bucket) as manager:
        assert list(manager.lifecycle.run(on_progress=counts.append)) == []
    assert counts == [1, 2]


def test_run_asks_on_a_terminal(run: Run, call: Call, bucket: str, tmp_path: Path) -> None:
    old = _store_long_ago(tmp_path)
    assert "has no rules" in _on_terminal("lifecycle", "run")[1]
    Path("lifecycle.toml").write_text("expire_after_days = 90")
    call("lifecycle", "apply")
    code, shown = _on_terminal("lifecycle", "run", typed=b"n\n")
    assert (code, "Apply the rules of file://" in shown) == (1, True)
    assert call("show", old)[0] == 0
    assert "1 done" in _on_terminal("lifecycle", "run", "--yes")[1]
    assert call("show", old)[0] == 3


def test_a_bucket_carries_its_rules_out_itself(call: Call, server: StrictServer) -> None:
    code, out, err = call("lifecycle", "run")
    assert (code, out) == (2, "")
    assert "a bucket applies its rules itself" in err


# --- copy -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("way", ["to the bucket", "to the directory"])
def test_assets_are_copied_whole_and_once(
    call: Call, server: StrictServer, tmp_path: Path, way: str
) -> None:
    here, there = ((tmp_path / "d").as_uri(), "gs://bucket")[:: 1 if way == "to the bucket" else -1]
    first = _put(call, MP3, "--thumbnail", COVER, "--bucket", here)
    second = _put(call, OGG, "--bucket", here)
    args = ("copy", "--from", here, "--to", there)
    code, out, err = call(*args, "-n")
    assert (code, err.count("\n")) == (0, 1)
    assert err == "audiostore: dry run: 2 would be copied (280.9 KiB)\n"
    assert sorted(line.split()[2] for line in out.splitlines()) == sorted([first, second])
    assert call("list", "--bucket", there)[1] == ""
    assert call(*args, first, UNKNOWN)[:2] == (3, f"{first}\n")
    code, out, err = call(*args, "-n", "--json")
    assert json.loads(out)["audio_id"] == second
    assert json.loads(err)["dry_run"].startswith("1 would be copied (")
    assert "), 1 already there; " in err
    code, out, err = call(*args, "--json")
    done = r"1 copied \([\d.]+ KiB in .*/s\), 1 skipped, already there"
    assert code == 0
    assert re.fullmatch(done, json.loads(err)["done"])
    told = {line["audio_id"]: line for line in map(json.loads, out.splitlines())}
    assert (told[first]["skipped"], told[second]["skipped"]) == (True, False)
    assert call(*args) == (0, "", "audiostore: done: 2 skipped, already there\n")
    assert call("check", "--deep", "--bucket", there)[0] == 0
    for audio_id, file in ((first, MP3), (second, OGG)):
        assert call("get", audio_id, "--bucket", there, "-o", "got")[0] == 0
        assert Path("got").read_bytes() == file.read_bytes()


def test_copy_never_overwrites(call: Call, tmp_path: Path) -> None:
    here, there = (tmp_path / "a").as_uri(), (tmp_path / "b").as_uri()
    audio_id = _put(call, MP3, "--bucket", here)
    other = _put(call, OGG, "--bucket", here)
    _put(call, OGG, "--bucket", there, "--id", audio_id)
    code, out, err = call("copy", "--from", here, "--to", there)
    assert (code, out, err.count("\n")) == (4, f"{other}\n", 2)
    assert "it was not touched" in err
    assert re.search(r": done: 1 copied \(.*\), 1 failed\n", err)


def test_copy_needs_two_different_existing_stores(call: Call, tmp_path: Path) -> None:
    here = tmp_path / "a"
    _put(call, MP3, "--bucket", here.as_uri())
    (tmp_path / "link").symlink_to(here)
    for source, target, words in (
        (here.as_uri(), (tmp_path / "link").as_uri(), "are the same store"),
        ((tmp_path / "mistyped").as_uri(), here.as_uri(), "no directory"),
        ("s3://x", here.as_uri(), "is not a bucket"),
    ):
        code, out, err = call("copy", "--from", source, "--to", target)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err
    assert call("copy", "--from", here.as_uri())[0] == 2
    assert not (tmp_path / "mistyped").exists()


def test_copying_from_a_damaged_asset_is_an_error(call: Call, patient: Patient) -> None:
    missing_thumbnail_in_trash(patient)
    there = (Path.cwd() / "there").as_uri()
    code, _, err = call("copy", "--from", patient.store.url, "--to", there)
    assert code == 1
    assert "is incomplete: its audio or artwork is missing. Restore or replace it first" in err
    assert f"'audiostore check --bucket {patient.store.url}' shows what is missing" in err


# --- the help -------------------------------------------------------------------------------------


def test_the_overview_lists_the_summary_of_every_command(call: Call) -> None:
    listed = call("--help")[1].partition("commands:\n")[2]
    full = call("--bucket", "x", "--help")[1].partition("commands:\n")[2]
    assert listed.split() == full.partition("COMMAND\n")[2].split()
    found = list(find_commands().values())
    assert len(found) > 20
    while found:  # what is read from the file is what Python takes for the docstring
        command = found.pop()
        documentation = command.load().__doc__
        assert documentation is not None
        assert documentation.partition("\n")[0].rstrip('"') == f"{command.summary}."
        found += command.group.values()


def test_the_help_of_a_command_is_its_docstring(call: Call) -> None:
    for command in find_commands().values():
        own = call(command.name, "--help")[1]
        assert " ".join(str(command.load().__doc__).split()) in " ".join(own.split())


def test_options_may_stand_before_the_command(call: Call, bucket: str) -> None:
    _put(call, MP3)
    assert len(json.loads(call("--json", "list")[1])["audio_id"]) == 36
    assert call("--bucket", bucket, "check")[0] == 0
    assert call("--bucket", "put", "--version")[1].startswith("audiostore ")


@pytest.mark.slow
def test_only_the_command_that_runs_is_imported() -> None:
    program = (
        "import sys; from audiostore.cli import main; main(sys.argv[1:]); "
        "print(*(m.rpartition('.')[2] for m in sys.modules if m == 'argparse' "
        "or m.startswith('audiostore.cli.commands.')), file=sys.stderr)"
    )
    for args, modules in (
        (["--version"], ""),
        (["--help"], "argparse"),
        (["check", "--help"], "argparse check"),
        (["check", "put", "--help"], "argparse check"),
        (["--json", "check", "--help"], "argparse check"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *args],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert set(done.stderr.split()) == set(modules.split())


@pytest.mark.slow
def test_the_help_of_a_command_imports_nothing_heavy() -> None:
    rooms = ("manager", "asset", "bulk", "catalog", "ingest", "lifecycle", "audit", "stores")
    library = [f"audiostore.{room}" for room in rooms]
    heavy = [*library, "dataclasses", "inspect", "pathlib", "typing"]
    program = (
        "import sys; from audiostore.cli import main; main([*sys.argv[1:], '--help']); "
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    for name, command in find_commands().items():
        for args in [[name, each] for each in command.group] or [[name]]:
            done = subprocess.run(
                [sys.executable, "-c", program, *args],
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.stderr == "[]\n", args


def test_options_have_their_defaults_and_cannot_be_changed() -> None:
    class Options(StoreOptions):
        name: str = argument("NAME", "a name")
        times: int = option(metavar="N", default=1, help="how often")

    options = Options(name="Nina")  # type: ignore[call-arg]
    assert (options.name, options.times, options.bucket, options.debug) == ("Nina", 1, None, False)
    with pytest.raises(AttributeError, match="'times'"):
        options.times = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="missing options: name"):
        Options()  # type: ignore[call-arg]


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("denied", "args"),
    [
        ("storage.objects.update", ["meta", "{id}", "a=b"]),
        ("storage.objects.update", ["hold", "{id}"]),
        ("storage.objects.update", ["expire", "{id}", "--on", "2041-01-01"]),
        ("storage.objects.create", ["cover", "{id}", str(COVER)]),
        ("storage.objects.create", ["set-class", "{id}", "NEARLINE"]),
        ("storage.objects.delete", ["rm", "{id}"]),
        ("storage.objects.list", ["check"]),
        ("storage.objects.list", ["trash", "list"]),
        ("storage.objects.list", ["restore", "{id}"]),
        ("storage.objects.get", ["copy", "--from", "gs://bucket", "--to", "{there}"]),
    ],
)
def test_a_forbidden_request_is_reported_in_one_line(
    call: Call, server: StrictServer, tmp_path: Path, denied: str, args: list[str]
) -> None:
    audio_id = _put(call, MP3)
    server.denied.add(denied)
    there = (tmp_path / "there").as_uri()
    code, out, err = call(*(arg.format(id=audio_id, there=there) for arg in args))
    lines = [line for line in err.splitlines() if ": warning: " not in line]
    assert (code, out, len(lines)) == (1, "", 1)
    assert "403" in lines[0]
    assert "grant the account" in lines[0]
    assert "bug" not in lines[0]
