"""A directory that does not exist: it is noticed, and nobody but an upload creates it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.cli.declare import LocationOptions
from audiostore.cli.registry import Command, find_commands
from tests.cli.conftest import COVER, MP3, Call

ID = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
READERS = {
    "adopt": ["gs://other/old", "--run", "old", "--layout", "{title}.{ext}"],
    "analyse": ["--all"],
    "attach": [ID, "transcript", str(COVER)],
    "check": [],
    "cover": [ID, str(COVER)],
    "detach": [ID, "waveform"],
    "doctor": [],
    "duplicates": [],
    "expire": [ID, "--on", "2030-01-01"],
    "export": [],
    "fleet results": ["nightly"],
    "fleet retry": ["nightly"],
    "fleet status": ["nightly"],
    "fleet work": ["nightly"],
    "get": ["--all", "--to", "."],
    "hold": [ID],
    "jobs": [],
    "lifecycle apply": ["policy.toml", "--yes"],
    "lifecycle plan": ["policy.toml"],
    "lifecycle run": ["--yes"],
    "lifecycle show": [],
    "list": [],
    "meta": [ID, "title=x"],
    "purge": ["--all", "--yes"],
    "release": [ID],
    "restore": ["--all"],
    "rm": ["--all", "--yes"],
    "set-class": ["--all", "NEARLINE", "--yes"],
    "show": [ID],
    "stats": [],
    "trash list": [],
    "url": [ID],
    "waveform": [ID],
}
CREATORS = ["fleet plan", "mcp", "put", "serve"]


def _on_a_store(
    commands: dict[str, Command], before: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    for name, command in commands.items():
        if command.group:
            yield from _on_a_store(command.group, (*before, name))
        elif issubclass(command.load().Options, LocationOptions):
            yield (*before, name)


def test_every_command_on_a_store_is_tried_here() -> None:
    named = {" ".join(words) for words in _on_a_store(find_commands())}
    assert named == {*READERS, *CREATORS}


@pytest.fixture(autouse=True)
def policy(home: Path) -> None:
    Path("policy.toml").write_text("expire_after_days = 9\n")


@pytest.mark.parametrize("command", READERS)
def test_a_mistyped_directory_is_an_error_and_is_not_created(
    call: Call, tmp_path: Path, command: str
) -> None:
    missing = tmp_path / "mistyped"
    code, out, err = call(*command.split(), *READERS[command], "--bucket", missing)
    assert code == (1 if command == "doctor" else 2), err
    assert f"the directory {missing}" in (out if command == "doctor" else err)
    assert "does not exist" in out + err
    assert "correct the path, or create the store with 'audiostore put'" in out + err
    assert not missing.exists()


@pytest.mark.parametrize("command", READERS)
def test_an_unused_default_directory_is_empty_and_is_not_created(
    call: Call, home: Path, command: str
) -> None:
    code, out, err = call(*command.split(), *READERS[command])
    if not READERS[command]:
        assert code == 0, err
    assert "does not exist, given by" not in out + err
    folder = home / "data" / "audiostore"
    assert folder.exists() == (command == "lifecycle apply")  # a setting that is kept there


def test_an_unused_default_directory_is_announced(call: Call, home: Path) -> None:
    folder = home / "data" / "audiostore"
    assert f"using the directory {folder}, which the first upload creates" in call("list")[2]
    assert call("put", MP3)[0] == 0
    assert call("list")[2].rstrip().endswith(f"using the directory {folder}")


def test_what_chose_a_missing_directory_is_named(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCS_BUCKET_NAME", "./typo")
    code, _, err = call("list", "--json")
    assert code == 2
    assert "given by GCS_BUCKET_NAME, does not exist" in json.loads(err)["error"]


def test_put_creates_the_directory(call: Call, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert call("put", MP3, "--bucket", new)[0] == 0
    assert len(call("list", "--bucket", new)[1].splitlines()) == 1
    assert call("doctor", "--bucket", new)[0] == 0


def test_a_journal_of_a_directory_that_is_gone_can_be_read(call: Call, tmp_path: Path) -> None:
    store = tmp_path / "usb"
    assert call("put", MP3, MP3.with_name("harbour-lights.ogg"), "--bucket", store)[0] == 0
    store.rename(tmp_path / "unplugged")
    code, out, _ = call("jobs", "--bucket", store)
    assert (code, len(out.splitlines())) == (0, 2)


def test_a_directory_of_plain_files_is_questioned(call: Call, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    assert call("list", "--bucket", tmp_path / "music") == (0, "", "")
    (tmp_path / "music" / "song.mp3").write_bytes(MP3.read_bytes())
    question = "has files, but no assets: is this the right store?"
    code, out, err = call("list", "--bucket", tmp_path / "music")
    assert (code, out) == (0, "")
    assert question in err
    assert question in call("doctor", "--bucket", tmp_path / "music")[1]
    assert question not in call("put", MP3, "--bucket", tmp_path / "music")[2]
    assert question not in call("list", "--bucket", tmp_path / "music")[2]


def test_a_directory_named_without_its_dot_is_recognised(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = "'library' is the name of a bucket: give ./library for the directory"
    assert hint not in call("list", "--bucket", "library")[2]
    Path("library").mkdir()
    code, _, err = call("list", "--bucket", "library")
    assert code == 1
    assert "error: no credentials" in err
    assert err.rstrip().endswith(hint)
    monkeypatch.setenv("GCS_BUCKET_NAME", "library")
    for command in (["put", MP3], ["put", MP3.parent], ["rm", ID, "--yes"], ["get", ID]):
        assert hint in call(*command)[2], command
    assert (
        f"note    choice: the bucket library, given by GCS_BUCKET_NAME -> {hint}"
        in (call("doctor")[1])
    )
    assert hint not in call("list", "--bucket", "gs://library")[2]


@pytest.mark.usefixtures("server")
def test_a_directory_with_the_name_of_no_bucket_is_recognised(call: Call) -> None:
    hint = "'library' is the name of a bucket: give ./library for the directory"
    Path("library").mkdir()
    code, _, err = call("list", "--bucket", "library")
    assert (code, hint in err) == (1, True)
    Path("bucket").mkdir()
    code, _, err = call("show", ID)
    assert (code, "is the name of a bucket" in err) == (3, False)


def test_reading_with_a_manager_creates_nothing(tmp_path: Path) -> None:
    with AudioStorageManager(str(tmp_path / "new")) as manager:
        assert not [*manager.list(), *manager.trash.list(), *manager.audit.check()]
        assert manager.admin.facts().settings is not None
        (write,) = [each for each in manager.admin.diagnose() if each.subject == "write"]
    assert write.ok
    assert not (tmp_path / "new").exists()
