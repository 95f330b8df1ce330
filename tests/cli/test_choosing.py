"""Which store a command works on."""

from pathlib import Path

import pytest

from tests.cli.conftest import MP3, Call
from tests.gcs_server import StrictServer


def test_a_store_is_chosen_by_name(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = home / ".config" / "audiostore" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        'default = "main"\n[stores.main]\nurl = "./main"\n[stores.other]\nurl = "~/other"\n'
    )
    audio_id = call("put", MP3)[1].split()[0]
    assert (config.parent / "main" / "audio" / audio_id).is_dir()
    assert "named 'main' in " in call("doctor")[1]
    assert "the default of the configuration" in call("doctor")[1]
    assert call("--store", "other", "list", "--json")[1] == ""
    assert call("list", "--json", "--store", "main")[1] != ""
    assert "given by --store" in call("doctor", "--store", "other")[1]
    monkeypatch.setenv("GCS_BUCKET_NAME", "~/third")
    assert f"the directory {home}/third, given by GCS_BUCKET_NAME" in call("doctor")[1]
    monkeypatch.setenv("AUDIOSTORE_STORE", "other")
    assert "by AUDIOSTORE_STORE, which takes precedence over GCS_BUCKET_NAME" in call("doctor")[1]
    assert "given by --bucket" in call("doctor", "--bucket", "./here")[1]
    code, _, err = call("--store", "othr", "list")
    assert code == 2
    assert "no store named 'othr': did you mean 'other'?" in err
    code, _, err = call("--store", "other", "list", "--bucket", "./x")
    assert (code, "both name a store" in err) == (2, True)
    config.write_text('[stores.s]\nurl = "s3://x"')
    assert "s3:// is not supported" in call("list", "--store", "s")[2]
    assert f"it is the url of 's' in '{config}'" in call("list", "--store", "s")[2]
    config.write_text("default = 1")
    code, _, err = call("list", "--store", "main")
    assert code == 2
    assert f"'{config}', line 1: default = 1 must be a non-empty string" in err


def test_the_configuration_is_not_read_without_need(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSTORE_CONFIG", str(home / "nothing.toml"))
    Path("x").mkdir()
    assert call("list", "--bucket", "./x")[0] == 0
    assert "no such file" in call("list")[2]
    monkeypatch.setenv("GCS_BUCKET_NAME", "./x")
    assert call("list")[0] == 0


def test_two_libraries_in_one_bucket(call: Call, server: StrictServer) -> None:
    dev, prod = "gs://bucket/dev", "gs://bucket/music/prod"
    audio_id, line = call("put", MP3, "--bucket", f"{dev}/")[1].split("\n")[:2]
    assert line == f"audio      {dev}/audio/{audio_id}/audio.mp3"
    assert call("list", "--bucket", prod) == (0, "", "")
    assert call("copy", "--from", dev, "--to", prod)[0] == 0
    assert call("rm", "--bucket", dev, audio_id)[0] == 0
    assert call("trash", "list", "--bucket", prod)[1] == ""
    assert call("show", "--bucket", prod, audio_id)[0] == 0
    assert call("show", audio_id)[0] == 3
    Path("lifecycle.toml").write_text("expire_on_custom_time = true")
    expire = ("expire", audio_id, "--on", "2999-01-01", "--yes", "--bucket", prod)
    assert "no rule that deletes by it" in call(*expire)[2]
    assert call("lifecycle", "apply", "--yes", "--bucket", prod)[0] == 0
    assert "no rule that deletes by it" not in call(*expire)[2]
    assert call("lifecycle", "show", "--bucket", dev)[1] == "keep deleted assets for 7 days\n"
    out = call("doctor", "--bucket", prod)[1]
    assert "the prefix music/prod of the bucket bucket, given by --bucket" in out
    code, _, err = call("list", "--bucket", f"{prod}/audio")
    assert (code, f"keeps its assets in the folder audio: name {prod}" in err) == (2, True)
