"""verify-bucket: what it says before, the table, the exit code, and that it leaves nothing."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from audiostore.verify import CHECKS
from tests.cli.conftest import COMMAND, Call
from tests.cli.test_terminal import _on_terminal
from tests.gcs_server import AS_NEW, Request, StrictServer, faults
from tests.timing import PATIENCE_S

NAMES = [check.name for check in CHECKS]
FEW = 3


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    with StrictServer("some-bucket", bucket_settings=AS_NEW) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only some of the checks: those of all are tested elsewhere."""
    monkeypatch.setattr("audiostore.verify.verification.CHECKS", CHECKS[:FEW])


@pytest.mark.usefixtures("few")
def test_it_says_what_it_will_do_and_prints_a_table_without_names(
    server: StrictServer, call: Call
) -> None:
    code, out, err = call("verify-bucket", "gs://some-bucket/my-prefix")
    assert code == 0
    notes = err.splitlines()
    assert "is written below gs://some-bucket/my-prefix/audiostore-verify-" in notes[0]
    assert "it costs at most 0.04 cents (USD): 14 operations of class A, 83 of class B" in notes[1]
    assert notes[2].endswith("the bucket keeps deleted objects for 7 days")
    head, rows, sums = out.split("\n\n")
    assert head.splitlines()[0].startswith("versions  audiostore ")
    assert head.splitlines()[1] == (
        "bucket    at an emulator, in US, class STANDARD, soft delete 7 days, versioning off, "
        "uniform access on, Autoclass off"
    )
    assert [row.split()[:2] for row in rows.splitlines()] == [
        ["passed", name] for name in (*NAMES[:FEW], "cleaned-up")
    ]
    assert sums == f"{FEW + 1} passed, 0 failed, 0 skipped\n"
    assert "some-bucket" not in out
    assert "my-prefix" not in out
    assert server.objects("some-bucket") == []


@pytest.mark.usefixtures("few")
def test_a_failed_row_is_exit_code_1(server: StrictServer, call: Call) -> None:
    server.fault(faults.patch, faults.respond(501), times=None)
    code, out, _ = call("verify-bucket", "some-bucket")
    assert (code, out.splitlines()[-1]) == (1, "3 passed, 1 failed, 0 skipped")
    assert "failed    change-once           501 change-once/object: " in out


@pytest.mark.usefixtures("few")
def test_it_says_where_to_look_for_what_stays(server: StrictServer, call: Call) -> None:
    server.fault(faults.delete, faults.respond(403), times=None)
    code, out, err = call("verify-bucket", "some-bucket")
    assert (code, out.splitlines()[-1]) == (1, "3 passed, 1 failed, 0 skipped")
    assert "failed    cleaned-up            0 objects were deleted, 3 stay, " in out
    left = server.objects("some-bucket")[0].name.partition("/")[0]
    assert f"warning: something was left below gs://some-bucket/{left}: " in err


@pytest.mark.usefixtures("few")
def test_json_has_an_object_for_each_row(server: StrictServer, call: Call) -> None:
    code, out, err = call("verify-bucket", "some-bucket", "--json")
    head, *rows, sums = map(json.loads, out.splitlines())
    assert code == 0
    assert head["bucket"]["in"] == "US"
    assert [row["check"] for row in rows] == [*NAMES[:FEW], "cleaned-up"]
    assert rows[0] == {
        "check": "create-once",
        "promise": CHECKS[0].promise,
        "outcome": "passed",
        "detail": "the second writer got HTTP 412, the first one's bytes are there",
    }
    assert sums == {"passed": FEW + 1, "failed": 0, "skipped": 0}
    assert all(json.loads(line)["note"] for line in err.splitlines())


def test_a_dry_run_names_the_checks_and_writes_nothing(server: StrictServer, call: Call) -> None:
    code, out, err = call("verify-bucket", "some-bucket", "--dry-run")
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()] == NAMES
    assert "it costs at most" in err
    lines = call("verify-bucket", "some-bucket", "-n", "--json")[1].splitlines()
    assert [json.loads(line).get("check") for line in lines] == [*NAMES, None]
    assert json.loads(lines[-1])["cost"]["class_b"] > len(NAMES)
    operations = {request.operation for request in server.requests}
    assert operations <= {"bucket_get", "permissions"}


@pytest.mark.slow
def test_on_a_terminal_it_asks_first_and_says_what_it_tries(server: StrictServer) -> None:
    code, shown = _on_terminal("verify-bucket", "some-bucket", typed=b"n\n")
    assert code == 1
    assert "it costs at most" in shown
    assert "Verify the bucket? [y/N]" in shown
    assert {request.operation for request in server.requests} <= {"bucket_get", "permissions"}
    code, shown = _on_terminal("verify-bucket", "some-bucket", typed=b"y\n")
    assert code == 0
    assert "trying create-once: a writer that creates" in shown
    assert "deleting what was written" in shown


def test_a_dry_run_needs_no_credentials(call: Call) -> None:
    code, out, err = call("verify-bucket", "gs://some-bucket/scratch", "--dry-run")
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()] == NAMES
    assert "is written below a new prefix in gs://some-bucket/scratch, " in err
    assert "as the bucket's settings were not read: no credentials" in err
    code, out, _ = call("verify-bucket", "some-bucket", "--dry-run", "--json")
    assert json.loads(out.splitlines()[-1])["cost"]["class_b"] > len(NAMES)
    code, out, err = call("verify-bucket", "some-bucket", "--yes")
    assert (code, out) == (1, "")
    assert "error: no credentials" in err


def test_a_directory_is_no_bucket_and_none_is_offered(call: Call) -> None:
    for given, reason in {
        "./some-directory": "'./some-directory' is a directory, not a bucket: give my-bucket, ",
        "some/directory": "'some/directory' is not a bucket: give gs://some/directory for a prefix",
        "Bucket": "'Bucket' is not a bucket: give my-bucket, gs://my-bucket or ",
        "s3://bucket": "s3:// is not supported: give my-bucket, gs://my-bucket or ",
    }.items():
        code, out, err = call("verify-bucket", given)
        assert (code, out) == (2, "")
        assert reason in err
        assert "./" not in err.replace("./some-directory", "")


def test_who_wants_to_verify_is_offered_both(call: Call) -> None:
    assert "did you mean 'check' or 'verify-bucket'?" in call("help", "verify")[2]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", ["create-once", "held-object", "continued-upload", "whole-life"])
def test_it_cleans_up_when_it_is_interrupted(
    server: StrictServer, at: str, number: signal.Signals
) -> None:
    reached = threading.Event()

    def on_response(request: Request) -> None:
        if at in request.name and request.operation in ("patch", "upload", "session_start"):
            reached.set()

    server.on_response = on_response
    process = subprocess.Popen(
        [*COMMAND, "verify-bucket", "some-bucket", "--yes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        # A shell ignores SIGINT in what it starts in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert reached.wait(PATIENCE_S)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert out.splitlines()[-1].startswith("passed    cleaned-up ")
    assert server.objects("some-bucket") == []
