"""The real command, from end to end."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, COVER, FLAC, MP3, Run
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S


def _walk_through(run: Run, root: str) -> None:
    put = run("put", MP3, "--thumbnail", COVER, "--meta", "artist=Björk")
    assert (put.returncode, put.stderr) == (0, "")
    audio_id, audio, thumbnail = put.stdout.splitlines()
    assert audio == f"audio      {root}/audio/{audio_id}/audio.mp3"
    assert thumbnail == f"thumbnail  {root}/audio/{audio_id}/thumbnail.jpg"

    shown = json.loads(run("show", audio_id, "--json").stdout)
    assert shown["audio"]["metadata"]["artist"] == "Björk"
    assert "artist=Björk" in run("show", audio_id).stdout

    listed = run("list")
    assert listed.stdout.startswith(f"{audio_id}\t")
    assert listed.stdout.endswith("\tmorning-in-c.mp3\n")
    assert [json.loads(line) for line in run("list", "--json").stdout.splitlines()] == [shown]

    assert run("get", audio_id).stdout == "morning-in-c.mp3\n"
    assert Path("morning-in-c.mp3").read_bytes() == MP3.read_bytes()
    assert run("get", audio_id, "--part", "thumbnail").stdout == "morning-in-c.jpg\n"
    assert Path("morning-in-c.jpg").read_bytes() == COVER.read_bytes()

    doctor = run("doctor")
    assert doctor.returncode == 0
    assert all(line.startswith(("ok      ", "note    ")) for line in doctor.stdout.splitlines())

    removed = run("rm", audio_id)
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, "", "")
    assert run("list").stdout == ""
    assert run("show", audio_id).returncode == 3


def test_the_life_of_an_asset_in_a_directory(run: Run, bucket: str) -> None:
    _walk_through(run, bucket)


def test_the_life_of_an_asset_in_a_bucket(run: Run, server: StrictServer) -> None:
    _walk_through(run, "gs://bucket")
    assert server.objects("bucket") == []


def test_without_a_bucket_the_data_directory_is_used_and_named(run: Run, home: Path) -> None:
    put = run("put", FLAC)
    assert put.returncode == 0
    assert put.stderr.count("\n") == 1
    assert f"using the directory {home / 'data' / 'audiostore'}" in put.stderr
    audio_id = put.stdout.splitlines()[0]
    stored = home / "data" / "audiostore" / "audio" / audio_id / "audio.flac"
    assert stored.read_bytes() == FLAC.read_bytes()


def test_get_writes_the_bytes_to_standard_output(run: Run, bucket: str) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    got = subprocess.run(
        [*COMMAND, "get", audio_id, "-o", "-"], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert (got.returncode, got.stdout, got.stderr) == (0, MP3.read_bytes(), b"")


def test_wrong_bytes_never_reach_standard_output(run: Run, server: StrictServer) -> None:
    audio_id = run("put", MP3).stdout.splitlines()[0]
    server.fault(faults.download, faults.flip_response(5), times=None)
    got = run("get", audio_id, "-o", "-")
    assert (got.returncode, got.stdout) == (1, "")
    assert "wrong bytes" in got.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_causes_no_traceback(run: Run, bucket: str, unbuffered: str) -> None:
    run("put", MP3)
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        for args in (["list"], ["--help"], ["completion", "bash"]):
            gone = subprocess.run(
                [*COMMAND, *args],
                stdout=write_end,
                stderr=subprocess.PIPE,
                timeout=PATIENCE_S,
                check=False,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )
            assert gone.stderr == b"", args
            assert gone.returncode == 141, args
    finally:
        os.close(write_end)


def test_standard_output_on_a_full_disk_is_an_error(run: Run, bucket: str) -> None:
    with Path("/dev/full").open("wb") as full:
        failed = subprocess.run(
            [*COMMAND, "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=False,
        )
    assert failed.returncode == 1
    assert failed.stderr == (
        b"audiostore: error: cannot write to standard output: No space left on device\n"
    )


def test_a_locale_without_unicode_prints_any_name(run: Run, bucket: str) -> None:
    run("put", FLAC)
    listed = run("list", env={"PYTHONIOENCODING": "ascii"})
    assert listed.returncode == 0
    assert "Lied f\\xfcr" in listed.stdout


@pytest.mark.parametrize("status", [401, 403])
def test_a_denied_request_is_reported_with_a_hint(
    run: Run, server: StrictServer, status: int
) -> None:
    server.fault(faults.any_request, faults.respond(status), times=None)
    refused = run("put", MP3)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert {401: "gcloud auth", 403: "grant the account"}[status] in refused.stderr


def test_doctor_fails_with_a_hint(run: Run, server: StrictServer) -> None:
    server.denied.add("storage.objects.create")
    doctor = run("doctor")
    assert doctor.returncode == 1
    assert "given by GCS_BUCKET_NAME" in doctor.stdout.splitlines()[0]
    assert doctor.stdout.splitlines()[-1].startswith("failed  write: ")
    assert " -> grant the account roles/storage.objectUser" in doctor.stdout.splitlines()[-1]
    findings = [json.loads(line) for line in run("doctor", "--json").stdout.splitlines()]
    assert [f["ok"] for f in findings] == [*[True] * (len(findings) - 1), False]


def test_doctor_notes_what_could_be_better_and_does_not_fail(
    run: Run, server: StrictServer
) -> None:
    server.configure("bucket", softDeletePolicy={"retentionDurationSeconds": 0})
    doctor = run("doctor")
    assert doctor.returncode == 0
    (line,) = [line for line in doctor.stdout.splitlines() if " soft delete: " in line]
    assert re.fullmatch("note    soft delete: off: .* -> gcloud storage buckets update .*", line)
    for line in doctor.stdout.splitlines():  # what there is to do is a note, whatever it is about
        assert line.startswith("note    " if " -> " in line else "ok      ")
    marks = {json.loads(line)["mark"] for line in run("doctor", "--json").stdout.splitlines()}
    assert marks == {"ok", "note"}


def test_missing_credentials_are_reported_with_a_hint(run: Run) -> None:
    failed = run("list", "--bucket", "some-bucket", env={"GOOGLE_APPLICATION_CREDENTIALS": ""})
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "gcloud auth application-default login" in failed.stderr
