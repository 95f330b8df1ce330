"""adopt, as typed: JSON for programs, maps with other columns, and what is left when cleaning."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import COVER, MP3, Call
from tests.gcs_server import StrictServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    with StrictServer("old", "new") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GCS_BUCKET_NAME", "new")
        server.put("old", "k1", MP3.read_bytes())
        server.put("old", "k2", COVER.read_bytes())
        server.put("old", "k3.txt", b"x")
        yield server


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.slow
def test_a_map_with_other_columns_is_adopted_and_cleaned(
    server: StrictServer, call: Call, tmp_path: Path
) -> None:
    listed = tmp_path / "map.tsv"
    listed.write_text("key\tcover\tfilename\tmood\tnote\nk1\tk2\tin/Morning.mp3\tcalm\tx\n")
    columns = ("--column", "audio=key", "--column", "thumbnail=cover", "--ignore-column", "note")
    plan = ("adopt", "gs://old", "--map", listed, *columns, "--run", "a1", "--json")

    code, out, _ = call(*plan, "--dry-run")
    refused, told = lines(out)
    assert (code, refused["name"], refused["reason"]) == (0, "k3.txt", "not-audio")
    assert (told["assets"], told["covers"], told["refused"]) == (1, 1, {"not-audio": 1})
    assert isinstance(told["cost"], dict)
    assert not server.objects("new")

    assert call(*plan)[0] == call("fleet", "work", "a1")[0] == 0
    (asset,) = lines(call("list", "--json")[1])
    assert isinstance(asset["audio"], dict)
    metadata = asset["audio"]["metadata"]
    assert (metadata["original_filename"], metadata["mood"]) == ("Morning.mp3", "calm")
    assert "note" not in metadata
    assert asset["thumbnail"] is not None
    server.configure("old", retentionPolicy={"retentionPeriod": "3600"})
    code, out, err = call("adopt", "--clean", "a1", "--json", "--yes")
    assert {each["status"] for each in lines(out)} == {"held", "needed"}
    assert (code, len(server.objects("old"))) == (4, 3), err


def test_a_map_with_errors_plans_nothing(server: StrictServer, call: Call, tmp_path: Path) -> None:
    listed = tmp_path / "map.csv"
    listed.write_text("audio,id\nk1,not-an-id\n")
    code, _, err = call("adopt", "gs://old", "--map", listed, "--run", "a1")
    assert code == 2
    assert "nothing was planned" in err
    assert not server.objects("new")


@pytest.mark.slow
def test_each_call_says_what_it_does_and_what_it_leaves(server: StrictServer, call: Call) -> None:
    for n in range(5):
        server.put("old", f"{n}.mp3", MP3.read_bytes())
        server.put("old", f"{n}.txt", b"x")
    plan = ("adopt", "gs://old", "--layout", "{title}.mp3", "--run", "a1")
    assert "… and 3 more (--json prints all)" in call(*plan)[1]
    code, out, err = call(*plan)
    assert (code, "cost" in out) == (0, False)
    assert "planned before" in err

    code, _, err = call("adopt", "--clean", "a1", "--yes")
    assert code == 0
    assert "a1 is not done (0 of 1 chunk)" in err
    assert "--json says what needs each" in err
    assert call("fleet", "work", "a1")[0] == 0
    code, out, err = call("adopt", "--clean", "a1", "--dry-run", "--json")
    assert {each["status"] for each in lines(out)} == {"would be deleted"}
    assert "is not done" not in err
    before = len(server.objects("old"))
    for flags in (
        ("--layout", "{title}"),
        ("--cover", "x.jpg"),
        ("--class", "ARCHIVE"),
        ("--map", "x.csv"),
        ("--chunk", "7"),
        ("--keep-meta", ""),
        ("--kms-key", "k"),
        ("--column", "audio=k"),
        ("--ignore-column", "k"),
        ("--prices", "x"),
    ):
        code, _, err = call("adopt", "--clean", "a1", "--yes", *flags)
        assert (code, flags[0] in err) == (2, True), flags
    assert len(server.objects("old")) == before


@pytest.mark.slow
def test_what_is_adopted_is_downloaded_as_it_was(
    server: StrictServer, call: Call, tmp_path: Path
) -> None:
    names = {"A/B/CD1/1 x.mp3", "A/B/CD2/1 z.mp3", "A/C/1 q.mp3", "A/B/cover.jpg", "A/C/Cover.JPG"}
    for name in names:
        is_image = name.lower().endswith(".jpg")
        server.put("old", f"in/{name}", (COVER if is_image else MP3).read_bytes())
    layout = "{artist}/{album}/{folders}/{track} {title}.{ext}"
    plan = ("adopt", "gs://old/in", "--layout", layout, "--cover", "cover.jpg", "--run", "a1")
    assert call(*plan)[0] == call("fleet", "work", "a1")[0] == 0

    assert call("get", "--all", "--to", tmp_path / "back")[0] == 0

    found = (each for each in (tmp_path / "back").rglob("*") if each.is_file())
    assert {each.relative_to(tmp_path / "back").as_posix() for each in found} == names
