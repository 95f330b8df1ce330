"""What users of other command lines take for granted: words, options, output, exit codes."""

import errno
import json
import os
import pickle
import re
import subprocess
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from audiostore.cli import places
from audiostore.cli.declare import fields_of
from audiostore.cli.failures import sentence
from audiostore.cli.parser import build_parser
from audiostore.cli.registry import GROUPS, Command, find_commands
from audiostore.stores.local.folder import Tree
from tests.cli.conftest import COMMAND, COVER, MP3, Call
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S

UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


@pytest.mark.parametrize(
    ("typed", "meant", "command"),
    [
        ("lst", "(did you mean 'list'?)", ""),
        ("ls", "(did you mean 'list'?)", ""),
        ("upload", "(did you mean 'put'?)", ""),
        ("download", "(did you mean 'get'?)", ""),
        ("Delete", "(did you mean 'rm'?)", ""),
        ("version", "(did you mean '--version'?)", ""),
        ("help lst", "(did you mean 'list'?)", ""),
        ("--bucket b upload", "(did you mean 'put'?)", ""),
        ("trash ls", "(did you mean 'list'?)", " trash"),
        ("lifecycle set", "(did you mean 'apply'?)", " lifecycle"),
        ("xyzzy", "unknown command 'xyzzy';", ""),
        ("put a --dryrun", "(did you mean '--dry-run'?)", " put"),
        ("put a --recursive", "(leave it out: directories are always taken", " put"),
        ("put a --transfers=4", "(did you mean '--concurrency'?)", " put"),
        ("rm x --force", "(did you mean '--yes'?)", " rm"),
        ("get x --output-dir d", "(did you mean '--to'?)", " get"),
        ("lifecycle plan --pries p", "(did you mean '--prices'?)", " lifecycle plan"),
        ("lifecycle --xyzzy plan", "unknown option '--xyzzy';", " lifecycle"),
        ("list gs://my-bucket", "(name the store with --bucket)", " list"),
        ("completion", "missing argument: SHELL", " completion"),
        ("list --bucket", "--bucket: its value is missing", " list"),
        ("-q list -v", "--quiet and --verbose exclude each other", " list"),
    ],
)
def test_a_mistyped_word_gets_a_suggestion_and_the_right_help(
    call: Call, typed: str, meant: str, command: str
) -> None:
    code, out, err = call(*typed.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert meant in err
    assert err.endswith(f"; see 'audiostore{command} --help'\n")


def _value_parsers(commands: dict[str, Command]) -> Iterator[tuple[str, Callable[[str], object]]]:
    for name, command in commands.items():
        yield from _value_parsers(command.group)
        if not command.group:
            for field, argument in fields_of(command.load().Options).items():
                parse: Any = argument.keywords.get("type")
                if parse is not None:
                    yield f"{name} {field}", parse


@pytest.mark.parametrize("text", ["no such value", "99999999999", "-1", "²", "1e999", "\ud800"])
def test_a_value_that_is_not_understood_has_a_message_for_people(text: str) -> None:
    """Argparse prints the name of a function that raises ValueError."""
    parsers = dict(_value_parsers(find_commands()))
    assert len(parsers) > 50
    for parse in parsers.values():
        with suppress(ArgumentTypeError):
            parse(text)


def test_options_may_stand_anywhere(call: Call, bucket: str) -> None:
    Path("b.mp3").write_bytes(MP3.read_bytes())
    Path("-c.mp3").write_bytes(MP3.read_bytes())
    code, out, _ = call("put", MP3, "--no-journal", "b.mp3", "--meta", "a=b", "--", "-c.mp3")
    assert (code, out.count("\n")) == (0, 3)


@pytest.mark.parametrize("menu", [[], ["lifecycle"], ["-v", "trash"]])
def test_without_a_command_the_help_is_shown(call: Call, menu: list[str]) -> None:
    code, out, err = call(*menu)
    assert (code, out) == (2, "")
    assert err == call(*menu, "--help")[1]


def test_help_is_a_command_and_lists_the_commands_by_purpose(call: Call) -> None:
    assert call("help", "lifecycle", "plan") == call("lifecycle", "plan", "--help")
    shown = call("help")[1]
    assert shown == call("--help")[1] == call("--help", "-q")[1]
    headings = re.findall(r"\n([a-z ]+):\n", shown)
    assert tuple(headings[: len(GROUPS)]) == GROUPS
    assert {each.heading for each in find_commands().values()} == set(GROUPS)


def test_every_command_can_be_quiet_and_verbose() -> None:
    for parser in _parsers(build_parser()):
        known = parser._option_string_actions
        assert {"-q", "--quiet", "-v", "--verbose", "--debug", "--help"} <= set(known), parser.prog


def _parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for each in action.choices.values():
                yield from _parsers(each)


def test_quiet_leaves_the_output_and_errors(call: Call, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.mp3").write_bytes(MP3.read_bytes())
    (tmp_path / "music" / "bad.mp3").write_bytes(b"x" * 500)
    (tmp_path / "music" / "a.txt").write_bytes(b"x")
    for args in (("-q", "put", tmp_path / "music"), ("put", tmp_path / "music", "--quiet")):
        code, out, err = call(*args)
        assert (code, err.count("\n")) == (4, 1)
        assert "bad.mp3" in err
        assert out.endswith("a.mp3\n") or not out  # stored before
    assert call("list", "-q")[1].count("\n") == 1


@pytest.mark.slow
def test_verbose_says_what_is_done(call: Call, server: StrictServer) -> None:
    Path("music").mkdir()
    Path("music/a.mp3").write_bytes(MP3.read_bytes())
    Path("music/a.txt").write_bytes(b"x")
    server.fault(faults.any_upload, faults.respond(503))
    code, _, err = call("put", "music", "--verbose")
    assert code == 0
    for words in (
        "info: the store is the bucket bucket, given by GCS_BUCKET_NAME",
        "info: the journal is '",
        "info: ignored 'music/a.txt': .txt files",
        "503",
        "info: stored ",
    ):
        assert words in err
    assert "info" not in call("list")[2]


def test_with_json_all_that_is_said_is_json(call: Call, bucket: str) -> None:
    Path("bad.mp3").write_bytes(b"x" * 500)
    cases: list[tuple[list[str], int, dict[str, object]]] = [
        (["show", UNKNOWN], 3, {"kind": "AssetNotFoundError", "audio_id": UNKNOWN}),
        (["put", "missing.mp3"], 2, {"kind": "SourceNotFoundError", "hint": None}),
        (["put", "bad.mp3"], 2, {"kind": "UnsupportedFormatError"}),
        (["lst"], 2, {"kind": "UsageError", "hint": "see 'audiostore --help'"}),
        ([], 2, {"kind": "UsageError", "error": "no command given"}),
        (["rm", UNKNOWN], 3, {"audio_id": UNKNOWN}),
    ]
    for words, exit_code, expected in cases:
        for args in (["--json", *words], [*words, "--json"]):
            code, out, err = call(*args)
            (said,) = map(json.loads, err.splitlines())
            assert (code, out) == (exit_code, "")
            assert set(said) == {"error", "kind", "audio_id", "path", "exit_code", "hint"}
            assert said == {**said, **expected, "exit_code": exit_code}
    Path("music").mkdir()
    Path("music/a.mp3").write_bytes(MP3.read_bytes())
    Path("music/bad.mp3").write_bytes(b"x" * 500)
    code, _, err = call("put", "music", "--json", "--debug")
    assert code == 4
    kinds = [next(iter(json.loads(line))) for line in err.splitlines() if line.startswith("{")]
    assert kinds == ["error", "done", "note"]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_failure(bucket: str) -> None:
    shell = (
        f"{' '.join(COMMAND)} put '{MP3}' '{COVER}' --no-journal >/dev/null 2>&1; "
        f"{' '.join(COMMAND)} help put | head -1; echo ${{PIPESTATUS[0]}}; "
        f"{' '.join(COMMAND)} show {UNKNOWN} 2>&1 >/dev/null | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    _, *codes = done.stdout.splitlines()
    assert done.stderr == ""
    assert codes[0] in ("0", "141")  # whether the pipe could take it all before it was closed
    assert codes[1] == "3"


@pytest.mark.slow
def test_a_message_that_cannot_be_written_does_not_end_the_work(bucket: str) -> None:
    Path("music").mkdir()
    Path("music/a.mp3").write_bytes(MP3.read_bytes())
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "put", "music"],
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=PATIENCE_S,
            check=False,
            env=os.environ,
        )
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)


@pytest.mark.parametrize(
    ("words", "named", "way_out"),
    [
        ("put .", "the journal '{file}/state/audiostore/journals/", "XDG_STATE_HOME=DIR"),
        ("put . --journal {file}/j", "the journal '{file}/j'", "--journal FILE names another"),
        (
            "put song.mp3 --no-journal --bucket {file}/store",
            "the store directory '{file}/store'",
            "--bucket",
        ),
        ("get {id} -o {file}/x.mp3", "the directory '{file}'", "-o PATH"),
        ("get {id} --to {file}/x", "the directory '{file}/x'", "--to DIR"),
    ],
)
def test_what_cannot_be_written_is_named_as_given_with_a_way_out(
    call: Call,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    named: str,
    way_out: str,
) -> None:
    """A file where a directory should be fails for every user alike, root too."""
    Path("song.mp3").write_bytes(MP3.read_bytes())
    audio_id = call("put", "song.mp3")[1].splitlines()[0]
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_STATE_HOME", f"{file}/state")
    code, out, err = call(*words.format(file=file, id=audio_id).split())
    assert (code, out, err.count("error: ")) == (1, "", 1)
    assert f"cannot use {named.format(file=file)}" in err
    assert way_out in err
    assert ".audiostore" not in err


def test_a_file_of_our_own_is_not_what_an_error_names() -> None:
    for own, named in (
        ("/music/.1f2e.audiostore-part", "/music"),
        ("/music/.audiostore/tmp/1f2e", "/music"),
        (".audiostore-1f2e", "."),
        ("/.audiostore/lock", "/"),
    ):
        error = PermissionError(errno.EACCES, "Permission denied", own)
        assert sentence(error) == f"{named!r}: Permission denied"
        places.remember(named, "the directory", "give another with --to DIR")
        assert sentence(error).startswith(f"cannot use the directory {named!r}: Permission denied")
        places.forget()


def test_an_error_of_a_store_comes_whole_out_of_another_process(tmp_path: Path) -> None:
    with (
        Tree(tmp_path).folder() as folder,
        pytest.raises(FileNotFoundError) as caught,
    ):
        folder.rename("missing", folder, "new")
    assert str(caught.value).endswith("'")  # not "-> None"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["put", ""], "argument FILE: the path is empty"),
        (["put", str(MP3), "--thumbnail="], "argument --thumbnail: the path is empty"),
        (["get", UNKNOWN, "--to", ""], "argument --to: the path is empty"),
        (["list", "--bucket", str(MP3)], f"{str(MP3)!r} is a file: name a directory"),
    ],
)
def test_an_empty_path_is_not_this_directory_and_a_file_no_store(
    call: Call, words: list[str], said: str
) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_an_error_names_a_path_once(call: Call, bucket: str) -> None:
    assert call("put", "missing.mp3")[2].count("missing.mp3") == 1
