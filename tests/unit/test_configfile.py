"""Stores by name: the configuration file."""

import os
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.config import config_file
from audiostore.configfile import default_store, find_store
from audiostore.errors import ConfigurationError
from audiostore.stores.gcs import GcsStore

_CONFIG = """\
# stores of the studio
default = "studio"

[stores.studio]
url = "gs://music/prod"
billing_project = "payer"

[stores.archive]
url = "./archive"

[stores."at home"]
url = "~/music"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a user with an empty home."""
    for name in ("AUDIOSTORE_CONFIG", "AUDIOSTORE_STORE", "GCS_BILLING_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path, is_named = config_file()
    assert not is_named
    path.parent.mkdir(parents=True)
    path.write_text(_CONFIG)
    return path


def test_a_store_has_a_name(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = find_store("studio")
    assert (store.url, store.billing_project, store.file) == ("gs://music/prod", "payer", config)
    assert default_store() == store
    assert find_store("at home").url == (tmp_path / "music").as_uri()
    monkeypatch.chdir("/")  # relative to the file, wherever the program runs
    assert find_store("archive").url == (config.parent / "archive").as_uri()


def test_the_documented_example_is_valid(config: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "stores.md").read_text("utf-8")
    config.write_text(page.partition("```toml\n")[2].partition("```")[0], "utf-8")
    assert default_store() == find_store("studio")
    assert find_store("archive").url == (config.parent / "archive").as_uri()


def test_a_missing_file_is_an_error_only_if_it_was_named(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.unlink()
    assert default_store() is None
    with pytest.raises(ConfigurationError, match="no store named 'studio': there is no conf"):
        find_store("studio")
    monkeypatch.setenv("XDG_CONFIG_HOME", os.devnull)
    assert default_store() is None
    monkeypatch.setenv("AUDIOSTORE_CONFIG", str(config))
    with pytest.raises(ConfigurationError, match="no such file"):
        default_store()
    config.write_text('[stores.x]\nurl = "x"\n')
    assert default_store() is None
    assert find_store("x").url == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default = studio", "not valid TOML: .*line 1"),
        ("x = 1", "line 1: unknown key 'x': known: 'default', 'stores'"),
        ('\n[store.a]\nurl = "b"', "line 2: unknown key 'store': did you mean 'stores'"),
        ("default = 1", "line 1: default = 1 must be a non-empty string"),
        ('default = "a"\n', "line 1: no store named 'a': no store is configured"),
        ('[stores.bc]\nurl = "b"\n[x]', "line 3: unknown key 'x'"),
        ("stores = 1", "line 1: stores = 1 must be a table"),
        ("[stores]\na = 1", "line 2: stores.a = 1 must be a table"),
        ("[stores.a]", r"line 1: \[stores.a\] has no url"),
        ('[stores.a]\n# url\nurl = ""', "line 3: url = '' must be a non-empty string"),
        (
            '[stores.b]\nurl = "a"\n[stores.a]\nurl = "b"\nbiling_project = "c"',
            r"line 5: unknown key 'biling_project' in \[stores.a\]: did you mean 'billing_project'",
        ),
        ('[stores]\na = {url = "b", billing_project = true}', "line 2: billing_project = True mus"),
        ('default = "a"\n[stores.a]\nurl = "~nobody-here/x"', "line 3: .* is not the path of a"),
        ('default = "a"\n[stores.a]\nurl = "gs://b/audio"', "line 3: 'gs://b/audio' is not a vali"),
        ('default = "a"\n[stores.a]\nurl = "b/c"', "line 3: 'b/c' is not a bucket: give gs://"),
        (f"default = {'[' * 9999}", "not valid TOML"),
        (f"default = {'1' * 9999}", "not valid TOML"),
        ("\udcff", "line 1: not valid TOML: it is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(config: Path, text: str, message: str) -> None:
    config.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigurationError, match=f"configuration '{config}'.*{message}"):
        default_store()


def test_a_name_that_is_nearly_right_is_suggested(config: Path) -> None:
    with pytest.raises(ConfigurationError, match="no store named 'studoi': did you mean 'studio'"):
        find_store("studoi")
    with pytest.raises(ConfigurationError, match="known: 'archive', 'at home', 'studio'"):
        find_store("xyz")
    config.unlink()
    config.mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot read the configuration .*: Is a directo"):
        default_store()


def test_a_manager_of_a_named_store(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9")
    with AudioStorageManager.from_config() as manager:
        assert manager.url == "gs://music/prod"
        assert isinstance(manager._single_store, GcsStore)
        assert manager._single_store._client.user_project == "payer"
    monkeypatch.setenv("AUDIOSTORE_STORE", "archive")
    with AudioStorageManager.from_config() as manager:
        assert manager.url == (config.parent / "archive").as_uri()
    with AudioStorageManager.from_config("at home") as manager:
        assert manager.url.endswith("/music")
    monkeypatch.delenv("AUDIOSTORE_STORE")
    config.unlink()
    with pytest.raises(ConfigurationError, match="no store is named: pass a name"):
        AudioStorageManager.from_config()


def test_a_manager_of_a_path_outlives_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with AudioStorageManager("./library") as manager:
        rebuild, arguments = manager.__reduce__()[:2]
        monkeypatch.chdir("/")
        with rebuild(*arguments) as again:  # type: ignore[operator, misc]
            assert again.url == manager.url == (tmp_path / "library").as_uri()
