"""Which store a command works on."""

from pathlib import Path

import pytest

from tests.cli.conftest import MP3, Call


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
    assert "by AUDIOSTORE_STORE, which goes before GCS_BUCKET_NAME" in call("doctor")[1]
    assert "given by --bucket" in call("doctor", "--bucket", "./here")[1]
    code, _, err = call("--store", "othr", "list")
    assert code == 2
    assert "no store named 'othr': did you mean 'other'?" in err
    code, _, err = call("--store", "other", "list", "--bucket", "./x")
    assert (code, "both name a store" in err) == (2, True)
    config.write_text("default = 1")
    code, _, err = call("list", "--store", "main")
    assert code == 2
    assert f"'{config}', line 1: default = 1 must be a text" in err


def test_the_configuration_is_not_read_without_need(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSTORE_CONFIG", str(home / "nothing.toml"))
    assert call("list", "--bucket", "./x")[0] == 0
    assert "no such file" in call("list")[2]
    monkeypatch.setenv("GCS_BUCKET_NAME", "./x")
    assert call("list")[0] == 0
