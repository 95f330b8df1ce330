"""How `list` prints assets: what fits a terminal, and what a program reads."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import LocalStore, StorageResult
from audiostore.catalog import COLUMNS
from audiostore.cli.fields import clock
from audiostore.cli.formats import printer
from audiostore.cli.width import fit, pad, width_of
from audiostore.templates import Template
from tests.catalog_samples import audio_ids, made_up, put_asset, result
from tests.cli.conftest import Call
from tests.cli.test_terminal import _on_terminal

A, B, C, D = sorted(audio_ids(4))
V7 = "f19a7c1e-0000-7000-8000-000000000001"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
TITLES = {
    A: "Feeling Good",
    B: f"{FAMILY} 夜に駆ける \u2764\ufe0f THE FIRST TAKE, live in 2019",
    C: "e\u0301te\u0301 \x1b[31m\ta\nb",
}


@pytest.fixture
def filled(bucket: str, tmp_path: Path) -> str:
    store = LocalStore(tmp_path / "store")
    tags = {"artist": "Nina Simone", "album": "I Put a Spell on You", "duration_s": "3723.400"}
    for audio_id, title in TITLES.items():
        custom = {"mood": "Blue, or=so"} if audio_id == A else {}
        put_asset(store, audio_id, facts={**tags, "title": title}, custom=custom)
    put_asset(store, D, filename="no title, but a name that is long enough to be cut.mp3")
    put_asset(store, V7)
    return bucket


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("夜に駆ける", 10),
        ("e\u0301", 1),
        (FAMILY, 2),
        ("\u2764\ufe0f", 2),
        ("\u2764", 1),
        ("\U0001f44d\U0001f3fd", 2),
        ("\u1100\u1161\u11a8", 2),
        ("\uff46", 2),
        ("สวัสดี", 4),
    ],
)
def test_texts_have_the_widths_that_terminals_give_them(text: str, columns: int) -> None:
    # The figures are those of wcwidth 0.9.4, which no test needs.
    assert width_of(text) == columns
    assert width_of(pad(f"{text}x", 15)) == 15
    for room in range(15):
        cut = fit(f"{text}xyz", room, "…")
        assert width_of(cut) <= room or room == 0
        assert cut == f"{text}xyz" or cut.endswith("…")


@pytest.mark.slow
def test_a_table_fits_the_terminal_in_any_language(filled: str) -> None:
    code, shown = _on_terminal("list", COLUMNS="80")
    heading, *lines = shown.removesuffix("\r\n").split("\r\n")
    assert (code, len(lines)) == (0, 5)
    assert heading.split() == ["ID", "TITLE", "ARTIST", "ALBUM", "DURATION"]
    for line in lines[:3]:
        # The columns stand below each other, and an id is cut where millions still differ.
        for name, value in (
            ("ARTIST", "Nina Simone"),
            ("ALBUM", "I Put a Spell "),
            ("ID", line[:13]),
        ):
            assert width_of(line[: line.index(value)]) == heading.index(name)
        assert width_of(line) == len(heading) == 80
        assert line.endswith(" 1:02:03")
    assert [line[:15] for line in lines[:4]] == [f"{i[:13]}  " for i in (A, B, C, D)]
    assert "…  Nina" in lines[1]
    assert r"été" in lines[2].replace("e\u0301", "é")
    assert r" \x1b[31m\ta\nb  " in lines[2]
    assert "  no title, but a name…" in lines[3]  # for want of a title
    assert lines[4].startswith(f"{V7}  song.mp3")  # what is not random at its beginning is whole

    shown = _on_terminal("list", "--columns", "title,id,size,held,meta.mood", COLUMNS="200")[1]
    heading, first = shown.split("\r\n")[:2]
    assert heading.split() == ["TITLE", "ID", "SIZE", "HELD", "MOOD"]
    assert f"  {A}  " in first  # there is room
    assert first.split()[-5:] == ["5", "B", "false", "Blue,", "or=so"]
    everything = ",".join(("id", "name", *COLUMNS))
    for line in _on_terminal("list", "--columns", everything, COLUMNS="40")[1].split("\r\n"):
        assert width_of(line) <= 40
    shown = _on_terminal("list", "--limit", "1", COLUMNS="60", PYTHONIOENCODING="ascii")[1]
    assert all(len(line) <= 60 and line.isascii() for line in shown.split("\r\n"))


def test_a_program_reads_whole_values(call: Call, filled: str) -> None:
    rows = [line.split("\t") for line in call("list")[1].splitlines()]
    assert [row[0] for row in rows] == [A, B, C, D, V7]
    assert rows[0][1:] == [TITLES[A], "Nina Simone", "I Put a Spell on You", "1:02:03", "song.mp3"]
    assert rows[2][1] == "e\u0301te\u0301 " + r"\x1b[31m\ta\nb"
    assert rows[3][1] == ""

    text = call("list", "--format", "csv", "--columns", "id,title,size_bytes,meta.mood")[1]
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == ["id", "title", "size_bytes", "meta.mood"]
    assert read[1] == [A, "Feeling Good", "5", "Blue, or=so"]
    assert read[3][1] == TITLES[C]  # exact, as in an export
    assert call("list", "--format", "csv")[1] == call("export", "--format", "csv")[1]

    out = call("list", "--json", "--columns", "id,duration_s")[1]
    found = [json.loads(line) for line in out.splitlines()]
    assert found[0] == {"id": A, "duration_s": 3723.4}
    assert call("list", "--format", "json")[1] == call("list", "--json")[1]

    template = r"{id}\t{{{meta.mood:<12}}}|{size_bytes:03}\\n\n"
    out = call("list", "--limit", "1", "--format", template)[1]
    assert out == f"{A}\t{{Blue, or=so }}|005\\n\n\n"
    for line in call("list", "--format", "table")[1].splitlines()[1:]:
        assert line[:36] in (A, B, C, D, V7)  # nothing is cut
    assert "that is long enough to be cut.mp3" in call("list", "--format", "table")[1]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--columns", "id,titel"], "unknown field 'titel': choose from id, label, "),
        (["--columns", ""], "unknown field ''"),
        (["--columns", "meta."], "unknown field 'meta.'"),
        (["--format", "{titel}"], "or meta.KEY for any key of the metadata"),
        (["--format", "{id.__class__}"], "unknown field 'id.__class__'"),
        (["--format", "{id!r}"], "unknown field 'id!r'"),
        (["--format", "{}"], "unknown field ''"),
        (["--format", "{id"], "--format: a single '{': double it"),
        (["--format", "{id}}"], "--format: a single '}'"),
        (["--format", "{id:99999}"], "'99999' is not a width such as 02"),
        (["--format", "yaml"], "unknown format 'yaml': choose from table, tsv, csv and json"),
        (["--format", "{id}", "--columns", "id"], "exclude each other"),
        (["--format", "csv", "--json"], "exclude each other"),
    ],
)
def test_a_wrong_form_is_refused_before_the_store_is_read(
    call: Call, args: list[str], reason: str
) -> None:
    code, out, err = call("list", "--bucket", "file:///nowhere", *args)
    assert (code, out) == (2, "")
    assert reason in err


def test_a_template_pads_and_evaluates_nothing() -> None:
    values = {"disc": "1", "track": "7", "title": "{disc}", "none": ""}
    template = Template.parse("{disc}-{track:02} {title:<8}|{title:>8}|{none:02}|{{x}}")
    assert template.fill(values.__getitem__) == "1-07 {disc}  |  {disc}||{x}"
    assert [field.name for field in template.fields] == ["disc", "track", "title", "title", "none"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, None), (0.4, "0:00"), (59.6, "1:00"), (177.0, "2:57"), (3599.9, "1:00:00")],
)
def test_a_duration_is_shown_as_players_do(seconds: float | None, shown: str | None) -> None:
    assert clock(seconds) == shown


def test_the_first_line_is_there_while_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "out"

    def assets() -> Iterator[StorageResult]:
        yield result(*made_up(1, A))
        assert file.read_text().startswith(A)
        yield result(*made_up(2, B))

    with file.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        printer(None, "id,title", as_json=False)(assets())
    assert [line[:36] for line in file.read_text().splitlines()] == [A, B]
