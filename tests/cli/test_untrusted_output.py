"""What a store says reaches the terminal as text: no control character, no secret."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from tests.cli.conftest import COVER, MP3, Call
from tests.cli.test_terminal import _on_terminal
from tests.gcs_server import StrictServer, faults

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\b\x7f\u202eab\u2066cd\u2028ef\ud7ff"


def _is_clean(text: str) -> bool:
    return not [
        c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")
    ]


def _spoil(store: str) -> None:
    """Put control characters into every text of every sidecar of a directory store."""

    kept = ("audio_id", "crc32c", "file_size", "deleted_at", "gone_at", "name")
    for path in Path(store.removeprefix("file://")).rglob("*.json"):
        fields = json.loads(path.read_text())
        if "metadata" not in fields:
            continue
        metadata = {k: v if k in kept else v + EVIL for k, v in fields["metadata"].items()}
        metadata |= {f"key{EVIL}": EVIL, "title": EVIL}
        for name in ("content_type", "md5_hash", "storage_class", "cache_control"):
            fields[name] = f"{fields[name]}{EVIL}"
        path.write_text(json.dumps({**fields, "metadata": metadata}))


COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "list": lambda _: ["list"],
    "list --json": lambda _: ["list", "--json"],
    "show": lambda id_: ["show", id_],
    "show --json": lambda id_: ["show", id_, "--json"],
    "stats": lambda _: ["stats"],
    "check": lambda _: ["check"],
    "check --deep": lambda _: ["check", "--deep"],
    "check --repair -n": lambda _: ["check", "--repair", "--dry-run"],
    "export": lambda _: ["export"],
    "rm -n": lambda id_: ["rm", id_, "--dry-run"],
    "meta": lambda id_: ["meta", id_, "--set", "a=b"],
    "url": lambda id_: ["url", id_],
    "set-class": lambda id_: ["set-class", "NEARLINE", id_],
    "get": lambda id_: ["get", id_],
    "get --all": lambda _: ["get", "--all", "--to", "out"],
    "lifecycle show": lambda _: ["lifecycle", "show"],
    "doctor": lambda _: ["doctor"],
}


@pytest.mark.slow
def test_no_command_prints_what_controls_a_terminal(call: Call, bucket: str) -> None:
    with AudioStorageManager(bucket) as manager:
        audio_id = manager.upload_audio_with_thumbnail(MP3, COVER).audio_id
        other = manager.upload_audio_file(MP3).audio_id
        manager.delete(other)
    _spoil(bucket)
    for name, command in COMMANDS.items():
        code, out, err = call(*command(audio_id), "--debug")
        assert _is_clean(out.replace("\t", "") if name == "list" else out), (name, out)
        assert _is_clean(err), (name, err)
        assert "bug in audiostore" not in err, (name, err)
    for more in (["trash", "list"], ["restore", other], ["rm", audio_id, "--yes"]):
        code, out, err = call(*more)
        assert _is_clean(out), (more, out)
        assert _is_clean(err), (more, err)
    del code


@pytest.mark.slow
def test_a_table_on_a_terminal_is_escaped_and_a_file_keeps_its_data(
    call: Call, bucket: str
) -> None:
    with AudioStorageManager(bucket) as manager:
        manager.upload_audio_file(MP3, metadata={"note": EVIL, "title": f"{EVIL}\r\n=1+1"})
    code, shown = _on_terminal("export", "--format", "csv")
    assert code == 0
    assert _is_clean(shown.replace("\r\n", "\n"))
    assert "owned" in shown
    assert call("export", "--format", "csv", "-o", "out.csv")[0] == 0
    assert EVIL in Path("out.csv").read_bytes().decode()
    assert call("export", "-o", "out.jsonl")[0] == 0
    assert json.loads(Path("out.jsonl").read_text("ascii"))["title"] == f"{EVIL}\r\n=1+1"


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_an_error_of_a_bucket_is_printed_as_text_and_without_secrets(
    call: Call, server: StrictServer, debug: tuple[str, ...]
) -> None:
    said = f"{EVIL} upload_id=SECRET-1 Authorization: Bearer SECRET-2 X-Goog-Signature=5EC4E7"
    server.fault(faults.listing, faults.respond(403, body={"error": {"message": said}}), times=None)
    code, out, err = call("list", *debug)
    assert (code, out) == (1, "")
    assert "owned" in err
    assert ("Traceback" in err) is bool(debug)
    assert _is_clean(err)
    assert "SECRET" not in err
    assert "5EC4E7" not in err


@pytest.mark.parametrize(
    "command",
    [
        ["doctor"],
        ["list", "--retry-for=0"],
        ["put", str(MP3), "--retry-for=0"],
        ["list", "--retry-for=0", "--debug"],
    ],
)
def test_a_password_in_a_url_is_not_printed(
    call: Call, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCS_BUCKET_NAME", "bucket")
    for emulator in ("http://user:s3cr:3t@pass@127.0.0.1:9", "http://user:s3cr:3t@pa ss@host"):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
        code, out, err = call(*command)
        assert code
        assert "s3cr" not in out + err
        assert "pass" not in out + err.replace("pass credentials", "")
    for url in ("gs://user:s3cr3t@bucket", "s3://key:s3cr3t@bucket", "file://u:s3cr3t@host/x"):
        code, out, err = call(*command, "--bucket", url)
        assert code
        assert "s3cr3t" not in out + err
