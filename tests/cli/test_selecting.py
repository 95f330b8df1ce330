"""Which assets a command works on: the same ways for all commands that take an ID."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, LocalStore
from audiostore.cli import choosing, main
from audiostore.cli.declare import fields_of
from audiostore.cli.registry import Command, find_commands
from audiostore.stores.gcs.store import GcsStore
from tests.assets import JPG, tone
from tests.catalog_samples import put_asset
from tests.cli.conftest import Call, Run
from tests.cli.test_terminal import _on_terminal
from tests.gcs_server import StrictServer, faults
from tests.timing import PATIENCE_S
from tests.unit.test_gcs_signing import keyed

A = "aaaa0001-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
B = "bbbb0001-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
C = "aaaa0002-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
TITLES = {A: "Sinnerman", C: "Strange Fruit", B: "Feeling Good"}
COPY = ("--from", "{url}", "--to", "file://{cwd}/copied")

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "analyse": (),
    "copy": (*COPY, "--dry-run"),
    "cover": (str(JPG), "--dry-run"),
    "detach": ("transcript", "--dry-run"),
    "expire": ("--on", "2041-05-06", "--dry-run"),
    "get": ("--to", "out"),
    "hold": ("--dry-run",),
    "meta": ("mood=calm", "--dry-run"),
    "purge": ("--dry-run",),
    "release": ("--dry-run",),
    "restore": ("--dry-run",),
    "rm": ("--dry-run",),
    "set-class": ("COLDLINE", "--dry-run"),
    "show": (),
    "url": (),
}
"""Of each command that takes IDs, what comes after them."""
ONE_ONLY = {
    "attach": "each asset has a transcript of its own",
    "export": "--after names a place in the order of ids, and no asset",
    "list": "--after names a place in the order of ids, and no asset",
    "put": "--supersedes names the one asset that FILE replaces, and --id a new one",
    "waveform": "it draws one waveform, in one file",
}
"""Why others take an ID, and no assets."""
TRASH = ("purge", "restore")

Type = Callable[..., tuple[int, set[str], str]]


def commands(found: dict[str, Command], before: str = "") -> Iterator[tuple[str, Command]]:
    for name, command in found.items():
        yield from commands(command.group, f"{before}{name} ")
        if not command.group:
            yield before + name, command


def takes_an_id(command: Command) -> bool:
    fields = fields_of(command.load().Options).values()
    metavars = [str(field.keywords.get("metavar")) for field in fields]
    return any(re.search(r"\bU?U?IDs?\b", metavar) for metavar in metavars)


def test_the_table_has_every_command_that_takes_an_id() -> None:
    found = {name for name, command in commands(find_commands()) if takes_an_id(command)}
    assert found == {*ARGUMENTS, *ONE_ONLY}


@pytest.fixture
def type_(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Type:
    """Type a command with its last arguments; return its code, the ids it prints, its errors."""
    command = request.node.callspec.params["command"]
    url = request.getfixturevalue("bucket")
    store = LocalStore(tmp_path / "store")
    for audio_id, title in TITLES.items():
        album = "Pastel Blues" if audio_id == C else "Nuff Said"
        custom = {"title": title, "album": album}
        put_asset(store, audio_id, custom=custom, filename=f"{title}.mp3")
    with AudioStorageManager(store=store) as manager:
        for audio_id, title in TITLES.items():
            if command in TRASH:
                manager.delete(audio_id)
            elif command == "detach":
                manager.attach(audio_id, "transcript", title.encode(), filename="words.txt")
            elif command == "analyse":  # of sound
                about = manager.get(audio_id).custom
                manager.delete(audio_id)
                manager.upload_audio_file(tone(0.5, title=title), audio_id=audio_id, metadata=about)
    if command == "url":  # a directory has none
        server = request.getfixturevalue("server")
        bucket = GcsStore("bucket", emulator=server.url, credentials=keyed(server))
        for audio_id, title in TITLES.items():
            album = "Pastel Blues" if audio_id == C else "Nuff Said"
            put_asset(bucket, audio_id, custom={"title": title, "album": album})
        bucket.close()

        @contextmanager
        def opened(*_: object) -> Iterator[AudioStorageManager]:  # the emulator has no keys
            store = GcsStore("bucket", emulator=server.url, credentials=keyed(server))
            with AudioStorageManager(store=store) as manager:
                yield manager

        monkeypatch.setattr(choosing, "opened", opened)

    def call(*args: str, typed: str = "") -> tuple[int, set[str], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        more = [each.format(url=url, cwd=Path.cwd()) for each in ARGUMENTS[command]]
        code = main([command, *args, *more, "--json"])
        out, err = capsys.readouterr()
        err = re.sub(r'\{"(done|dry_run)": .*\n', "", err)  # of `get` and `copy`
        return code, {json.loads(line)["audio_id"] for line in out.splitlines()}, err

    return call


@pytest.mark.slow
@pytest.mark.parametrize("command", ARGUMENTS)
def test_every_command_is_told_its_assets_in_the_same_ways(type_: Type, command: str) -> None:
    assert type_("BBBB0") == (0, {B}, "")
    assert type_(B.replace("-", "")) == (0, {B}, "")
    assert type_("aaaa0001", B, "aaaa-0001".replace("-", "")) == (0, {A, B}, "")
    lines = f"bbbb0\n\n{json.dumps({'audio_id': A, 'audio': None})}\r\n{C}  mp3  5 B  Title\n"
    assert type_("--from-file", "-", typed=lines) == (0, {A, B, C}, "")
    Path("ids").write_text(f'audio_id,title\n{A},x y\n"{A}",z\n')
    assert type_("--from-file", "ids") == (0, {A}, "")
    assert type_("--where", "album=Nuff Said") == (0, {A, B}, "")
    assert type_("--title", "sinner", "--album", "nuff") == (0, {A}, "")
    assert type_("--all") == (0, {A, B, C}, "")

    code, ids, err = type_("aaaa")
    assert (code, ids) == (2, set())
    assert f"{A} ('Sinnerman'), {C} ('Strange Fruit'); give more characters" in err
    assert type_("ffff")[:2] == (3, set())
    code, ids, err = type_("ffff", B)
    assert (code, ids, err.count("\n")) == (3, {B}, 1)
    for nothing in (["--artist", "nobody"], ["--from-file", "/dev/null"]):
        code, ids, err = type_(*nothing)
        assert (code, ids, err.count("\n")) == (3, set(), 1), nothing


@pytest.mark.slow
@pytest.mark.parametrize("command", ARGUMENTS)
def test_no_mistake_selects_anything(type_: Type, command: str) -> None:
    Path("bad").write_text(f"{B}\nSinnerman\n")
    for args, reason in (
        (["--from-file", "bad"], "'bad', line 2: 'Sinnerman' is neither an audio id"),
        (["--from-file", "missing"], "cannot read 'missing': No such file"),
        (["--from-file", "-"], ""),
        (["--artist", ""], "--artist: the text to look for is empty"),
        (["--text", " "], "--text: the text to look for is empty"),
        (["--contains", "album="], "--contains: the text to look for is empty"),
        (["--album", "Nuff Said", B], "assets are named in two ways"),
        (["--all", B], "assets are named in two ways"),
        (["--all", "--from-file", "bad"], "assets are named in two ways"),
        ([""], "neither an audio id"),
        ([B, "bbb"], "neither an audio id"),
        *([] if command == "copy" else [([], "no assets given")]),
    ):
        typed = '{"id": 3}\n' if not reason else ""
        code, ids, err = type_(*args, typed=typed)
        assert (code, ids, err.count("\n")) == (2, set(), 1), args
        assert reason in err


def test_the_trash_is_listed_by_the_same_filters(call: Call, bucket: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    for audio_id, title in TITLES.items():
        put_asset(store, audio_id, custom={"title": title})
    call("rm", *TITLES)
    assert call("trash", "list", "--title", "feeling")[1].startswith(B)
    assert call("trash", "list", "--title", "nothing") == (0, "", "")
    assert call("restore", "--where", "title=Feeling Good", "--json")[0] == 0
    assert json.loads(call("list", "--json")[1])["audio_id"] == B
    assert len(call("trash", "list")[1].splitlines()) == 2


def test_one_that_fails_does_not_stop_the_others(call: Call, server: StrictServer) -> None:
    ids = [f"{number:08x}{UNKNOWN[8:]}" for number in range(40)]
    store = GcsStore("bucket", emulator=server.url)
    for audio_id in ids:
        put_asset(store, audio_id, custom={"mood": "calm"}, cover=False)
    store.close()
    call("hold", ids[7], ids[39])
    code, out, err = call("rm", "--where", "mood=calm", "--json")
    assert code == 4
    deleted = [json.loads(line)["audio_id"] for line in out.splitlines()]
    assert deleted == [each for each in ids if each not in (ids[7], ids[39])]  # in order
    assert (err.count("\n"), f"'audiostore release {ids[7]} --bucket bucket'" in err) == (2, True)
    assert call("rm", ids[7], ids[8])[0] == 1
    # What is refused to all ends the run.
    server.denied.add("storage.objects.update")
    code, out, err = call("release", "--all")
    assert (code, out) == (1, "")
    error, stopped = err.splitlines()  # why comes first
    assert stopped.startswith("audiostore: stopped: 0 of 2 assets released")
    assert "storage.objects.update" in error


@pytest.mark.slow
def test_what_is_implied_is_asked_with_its_number(run: Run, bucket: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    for number in range(12):
        put_asset(
            store, f"{number:08x}{UNKNOWN[8:]}", cover=False, custom={"album": "Blues\x1b[2J"}
        )
    several = ("--album", "blues")
    code, shown = _on_terminal("rm", *several, typed=b"n\n")
    assert code == 1
    assert f"{9:08x}{UNKNOWN[8:]}" in shown
    assert f"{10:08x}{UNKNOWN[8:]}" not in shown
    assert "and 2 more ('--dry-run' prints all)\r\nDelete these 12 assets from file:" in shown
    for command, more, question in (
        ("meta", ["--set", "genre=Jazz", "--remove", "mood"], "set genre=Jazz, remove mood? This"),
        ("meta", ["--replace"], "Remove all your other metadata of these 12 assets too? This"),
        ("cover", [str(JPG)], "Replace the artwork of these 12 assets?"),
        ("expire", ["--on", "2041-05-06"], "Delete these 12 assets on 2041-05-06 00:00 UTC?"),
        ("set-class", ["COLDLINE"], "Move the audio of these 12 assets to COLDLINE?"),
        ("hold", [], "Hold these 12 assets?"),
    ):
        code, shown = _on_terminal(command, *several, *more, typed=b"\n")
        assert (code, question in shown) == (1, True), shown
        assert "cancelled: nothing was done" in shown
    assert len(run("list", "--not-held", "--without-thumbnail").stdout.splitlines()) == 12
    # What is read from standard input is asked on the terminal all the same.
    Path("ids").write_text(run("list", *several).stdout)
    code, shown = _on_terminal("rm", "--from-file", "-", stdin=Path("ids"), typed=b"n\n")
    assert (code, "Delete these 12 assets from" in shown) == (1, True), shown
    code, shown = _on_terminal("hold", "--all", typed=b"y\n")
    assert code == 0
    assert "12 assets held" in shown
    assert run("list", "--not-held").stdout == ""


@pytest.mark.slow
def test_an_interrupt_says_how_far_it_came(run: Run, server: StrictServer) -> None:
    ids = [f"{number:08x}{UNKNOWN[8:]}" for number in range(20)]
    store = GcsStore("bucket", emulator=server.url)
    for audio_id in ids:
        put_asset(store, audio_id, cover=False)
    store.close()
    server.fault(faults.named(ids[12]), faults.stall(PATIENCE_S), times=None)
    command = ("meta", "--all", "--set", "mood=calm")
    code, shown = _on_terminal(*command, "--yes", interrupt_at=ids[11].encode())
    assert code == 130
    # The twelfth is printed, and then counted.
    pattern = "audiostore: stopped: 1[12] of 20 assets changed; those in progress may be, too"
    assert re.search(pattern, shown)
    assert "interrupted: run the same command again to resume" in shown
    server.clear_faults()
    assert run(*command).returncode == 0
    assert len(run("list", "--where", "mood=calm").stdout.splitlines()) == 20
