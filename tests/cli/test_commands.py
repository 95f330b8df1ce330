"""The many small cases, in this process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audiostore import LocalStore
from audiostore.asset import PARTS
from audiostore.manager import AudioStorageManager
from tests.audio_samples import AUDIO, sample
from tests.cli.conftest import COVER, FLAC, MP3, Call
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

UNKNOWN = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
COMMANDS = ("put", "get", "show", "list", "rm", "doctor", "completion")


def _put(call: Call, *args: str | Path) -> str:
    code, out, err = call("put", *args)
    assert (code, err) == (0, "")
    return out.splitlines()[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(call: Call, command: str) -> None:
    code, out, err = call(command, "--help")
    assert (code, err) == (0, "")
    assert f"examples:\n  audiostore {command}" in out


def test_help_lists_exit_codes_and_environment(call: Call) -> None:
    code, out, _ = call("--help")
    assert code == 0
    for word in (*COMMANDS, "130", "GCS_BUCKET_NAME", "STORAGE_EMULATOR_HOST", "NO_COLOR"):
        assert word in out


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (2, ["nonsense"]),
        (2, ["list", "--nonsense"]),
        (2, ["put"]),
        (2, ["put", "missing.mp3"]),
        (2, ["put", str(MP3), "--thumbnail", "missing.jpg"]),
        (2, ["put", str(COVER)]),
        (2, ["put", "."]),
        (2, ["put", str(MP3), "--id", "x"]),
        (2, ["put", str(MP3), "--meta", "x"]),
        (2, ["put", str(MP3), "--meta", "=x"]),
        (2, ["put", str(MP3), "--meta", "a=1", "--meta", "a=2"]),
        (2, ["put", str(MP3), "--meta", "crc32c=x"]),
        (2, ["put", str(MP3), "--meta", "v1/width=1"]),
        (2, ["put", str(MP3.parent), "--meta", "a b=1"]),
        (2, ["put", str(MP3), "--meta", "Mood=1", "--meta", "mood=2"]),
        (2, ["meta", UNKNOWN, "a:b=1"]),
        (2, ["get", "x"]),
        (2, ["get", UNKNOWN, "--part", "cover"]),
        (3, ["get", UNKNOWN]),
        (3, ["show", UNKNOWN]),
        (3, ["rm", UNKNOWN]),
        (2, ["rm", UNKNOWN, "x"]),
        (2, ["list", "--bucket", ""]),
        (2, ["list", "--bucket", "no bucket"]),
        (2, ["doctor", "--bucket", "file:relative"]),
        (2, ["completion", "powershell"]),
    ],
)
def test_a_failure_is_one_line_with_its_code(
    call: Call, bucket: str, code: int, args: list[str]
) -> None:
    got, out, err = call(*args)
    assert (got, out) == (code, "")
    assert err.startswith("audiostore: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "command"),
    [
        ("frobnicate", ""),
        ("--jso list", ""),
        ("trash lst", " trash"),
        ("get x --prt audio", " get"),
        ("get x --part cover", " get"),
        ("lifecycle plan --jso", " lifecycle plan"),
        ("completion x --debug y", " completion"),
        ("help lifecycle pln", " lifecycle"),
    ],
)
def test_a_mistyped_command_points_to_its_help(call: Call, args: str, command: str) -> None:
    code, out, err = call(*args.split())
    assert (code, out) == (2, "")
    assert err.endswith(f"; see 'audiostore{command} --help'\n")


def test_the_parts_to_choose_from_are_those_of_an_asset(call: Call) -> None:
    for command in ("get", "url"):
        err = call(command, UNKNOWN, "--part", "cover")[2]
        assert f"invalid part 'cover' (choose from {', '.join(PARTS)})" in err


def test_another_file_under_an_id_is_a_conflict(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3)
    code, _, err = call("put", FLAC, "--id", audio_id)
    assert code == 1
    assert "use another id" in err
    assert call("put", MP3, "--id", audio_id)[0] == 0


def test_a_traceback_is_shown_only_with_debug(call: Call, bucket: str) -> None:
    assert "Traceback" not in call("show", UNKNOWN)[2]
    for args in (("--debug", "show", UNKNOWN), ("show", UNKNOWN, "--debug")):
        code, _, err = call(*args)
        assert code == 3
        assert "Traceback" in err
        assert err.splitlines()[-1].startswith("audiostore: error: no asset")


def test_a_bug_is_reported_in_one_line(
    call: Call, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("oops\nand more")

    monkeypatch.setattr(AudioStorageManager, "get", broken)
    code, _, err = call("show", UNKNOWN)
    assert (code, err.count("\n")) == (1, 1)
    assert "unexpected KeyError" in err
    assert "--debug" in err


def test_common_options_work_before_and_after_the_command(call: Call, tmp_path: Path) -> None:
    url = (tmp_path / "elsewhere").as_uri()
    audio_id = _put(call, MP3, "--bucket", url)
    for args in (
        ("--bucket", url, "--json", "show", audio_id),
        ("show", audio_id, "--json", "--bucket", url),
        ("--bucket", url, "show", "--json", audio_id),
    ):
        code, out, _ = call(*args)
        assert code == 0
        assert json.loads(out)["audio_id"] == audio_id


def test_the_bucket_option_overrides_the_environment(
    call: Call, bucket: str, tmp_path: Path
) -> None:
    _put(call, MP3, "--bucket", (tmp_path / "elsewhere").as_uri())
    assert call("list") == (0, "", "")
    assert "given by --bucket" in call("doctor", "--bucket", (tmp_path / "x").as_uri())[1]


def test_all_output_can_be_json(call: Call, bucket: str) -> None:
    code, out, _ = call("put", MP3, "--thumbnail", COVER, "--json")
    assert code == 0
    stored = json.loads(out)
    audio_id = stored["audio_id"]
    assert stored["created"] is True
    got = json.loads(call("get", audio_id, "--json")[1])
    assert got["path"] == "morning-in-c.mp3"
    assert got["size_bytes"] == MP3.stat().st_size
    assert all(json.loads(line)["ok"] for line in call("doctor", "--json")[1].splitlines())
    assert json.loads(call("rm", audio_id, "--json")[1]) == {"audio_id": audio_id, "deleted": True}


def test_doctor_works_without_a_bucket(call: Call) -> None:
    code, out, err = call("doctor")
    assert (code, err) == (0, "")
    assert "the default: neither --bucket, --store nor GCS_BUCKET_NAME is given" in out


def test_rm_deletes_the_known_assets_and_reports_the_others(call: Call, bucket: str) -> None:
    first, second = _put(call, MP3), _put(call, FLAC)
    code, _, err = call("rm", first, UNKNOWN, second)
    assert (code, err.count("\n")) == (3, 1)
    assert call("list")[1] == ""


def test_cleanup_deletes_the_local_files(call: Call, bucket: str) -> None:
    Path("a.mp3").write_bytes(MP3.read_bytes())
    Path("a.jpg").write_bytes(COVER.read_bytes())
    _put(call, "a.mp3", "--thumbnail", "a.jpg", "--cleanup")
    assert list(Path().iterdir()) == []


def test_a_warning_is_printed_without_a_terminal_too(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3)
    code, _, err = call("put", MP3, "--id", audio_id, "--meta", "a=b")
    assert code == 0
    assert f"audiostore: warning: {audio_id}: already stored with different metadata" in err


def test_get_refuses_to_overwrite_what_was_not_named(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3)
    Path("morning-in-c.mp3").write_text("mine")
    for args in ((), ("-o", ".")):
        code, out, err = call("get", audio_id, *args)
        assert (code, out) == (1, "")
        assert "already exists and was not changed" in err
    assert Path("morning-in-c.mp3").read_text() == "mine"
    assert call("get", audio_id, "-o", "morning-in-c.mp3")[0] == 0
    assert Path("morning-in-c.mp3").read_bytes() == MP3.read_bytes()
    assert [p.name for p in Path().iterdir()] == ["morning-in-c.mp3"]


def test_get_never_follows_or_replaces_a_link_by_default(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3)
    Path("morning-in-c.mp3").symlink_to("nowhere")
    assert call("get", audio_id)[0] == 1
    assert not Path("nowhere").exists()


def test_get_writes_into_a_pipe_instead_of_replacing_it(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3)
    os.mkfifo("pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        try:
            assert call("get", audio_id, "-o", "pipe")[0] == 0
            assert reader.communicate(timeout=PATIENCE_S)[0] == MP3.read_bytes()
        finally:
            reader.kill()
    assert Path("pipe").is_fifo()


def test_get_needs_the_directory_to_exist(call: Call, bucket: str) -> None:
    audio_id = _put(call, MP3)
    code, _, err = call("get", audio_id, "-o", "missing/")
    assert code == 2
    assert "no directory" in err
    assert call("get", audio_id, "-o", "missing/a.mp3")[0] == 1


HOSTILE = "\x1b]0;pwned\x07\x1b[2J\n\u202egpm\x9b1m🎵.mp3"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("new.mp3", "'new.mp3' is named like a file: '-o PATH' writes one asset to a file"),
        ("cover.jpg", "'cover.jpg' is named like a file"),
        ("taken", "--to names a directory, and 'taken' is not one"),
        ("-", "'-o -' writes one asset to standard output"),
    ],
)
def test_get_makes_no_directory_of_what_is_meant_as_a_file(
    call: Call, bucket: str, to: str, said: str
) -> None:
    Path("taken").write_text("mine")
    audio_id = call("put", MP3)[1].splitlines()[0]
    code, out, err = call("get", audio_id, "--to", to)
    assert (code, out) == (2, "")
    assert said in err
    assert [path.name for path in Path().iterdir()] == ["taken"]
    for directory in ("album", "live.mp3/"):
        assert call("get", audio_id, "--to", directory)[0] == 0
    assert call("get", audio_id, "--to", "live.mp3")[0] == 0  # it is one by now


def test_put_does_not_read_standard_input(call: Call, bucket: str) -> None:
    code, _, err = call("put", "-")
    assert (code, err) == (
        2,
        "audiostore: error: standard input is not supported: save it to a file, and give that\n",
    )


def test_a_hostile_name_cannot_move_the_terminal(call: Call, bucket: str) -> None:
    Path(HOSTILE).write_bytes(MP3.read_bytes())
    audio_id = _put(call, HOSTILE)
    outputs = [call("list")[1], call("show", audio_id)[1], call("list", "--json")[1]]
    assert len(outputs[0].splitlines()) == 1
    assert "🎵" in outputs[0]
    outputs.append(call("get", audio_id)[1])
    outputs.append(call("get", audio_id)[2])  # exists now
    Path("wrong\x1b[2J\n.mp3").write_text("x")
    outputs.append(call("put", "wrong\x1b[2J\n.mp3")[2])
    outputs.append(call("put", "missing\x1b[2J\n.mp3")[2])
    outputs.append(call("get", "\x1b[2J\n")[2])
    outputs.append(call("\x1b[2J\n")[2])
    for output in outputs:
        assert output
        assert not set(output) & set("\x1b\x07\x9b\u202e\r"), output
    assert all(output.count("\n") == 1 for output in outputs if output is not outputs[1])


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("../../etc/passwd.mp3", "passwd.mp3"),
        ("..\\..\\evil.mp3", "evil.mp3"),
        ("/abs/song.MP3", "song.MP3"),
        ("..", "{id}.mp3"),
        (".", "{id}.mp3"),
        ("", "{id}.mp3"),
        ("a/", "{id}.mp3"),
        (".bashrc", "_bashrc.mp3"),
        (".mp3", "{id}.mp3"),
        ("run.sh", "run.sh.mp3"),
        ("-rf.mp3", "_rf.mp3"),
        ("a\0b\nc.mp3", "a_b_c.mp3"),
        ("x" * 300 + ".mp3", "x" * 251 + ".mp3"),
        ("\ud800.mp3", "_.mp3"),
        ("日本\u3000語 🎵.mp3", "日本\u3000語 🎵.mp3"),
    ],
)
def test_get_makes_any_original_name_harmless(
    call: Call, bucket: str, tmp_path: Path, original: str, name: str
) -> None:
    audio_id = _put(call, MP3)
    store = LocalStore(tmp_path / "store")
    (info,) = (tmp_path / "store" / "audio" / audio_id).glob(".audio.mp3.*.json")
    fields = json.loads(info.read_text())
    fields["metadata"]["original_filename"] = original
    info.write_text(json.dumps(fields))
    assert store.stat(f"audio/{audio_id}/audio.mp3").metadata["original_filename"] == original
    code, out, err = call("get", audio_id)
    assert (code, err) == (0, "")
    assert out == name.format(id=audio_id) + "\n"
    assert [p.name for p in Path().iterdir()] == [name.format(id=audio_id)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_completion_prints_a_script(call: Call, shell: str) -> None:
    code, out, err = call("completion", shell)
    assert (code, err) == (0, "")
    assert "audiostore" in out
    assert "thumbnail" in out


BASH = """\
source ./script; COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _shtab_audiostore
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
SHELLS = {"bash": BASH, "fish": "source ./script; complete -C '{words}' | string split -f1 \\t"}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_completes_commands_and_files_by_kind(call: Call, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    Path("script").write_text(call("completion", shell)[1])
    Path("x-dir").mkdir()
    for name in ("x.mp3", "x.FLAC", "x.jpg", "x.csv", "x.txt"):
        Path(name).touch()

    def completed(words: str) -> set[str]:
        done = subprocess.run(
            [shell, "-c", SHELLS[shell].format(words=words)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return {word.rstrip("/") for word in done.stdout.split()}

    assert completed("audiostore doc") == {"doctor"}
    assert completed("audiostore put x") == {"x.mp3", "x.FLAC", "x-dir"}
    assert completed("audiostore put --thumbnail x") == {"x.jpg", "x-dir"}
    assert completed("audiostore put --manifest x") == {"x.csv", "x-dir"}


def test_the_script_for_zsh_completes_files_by_kind(call: Call) -> None:
    script = call("completion", "zsh")[1]
    for option, pattern in (("--thumbnail", "*.png|*.PNG"), ("--manifest", "*.csv|*.CSV")):
        lines = [line for line in script.splitlines() if f'"{option}[' in line]
        assert lines
        assert all(pattern in line for line in lines)


def test_help_and_version_import_nothing_heavy() -> None:
    heavy = ("platformdirs", "shtab", "audiostore.manager", "pycurl", "google", "dataclasses")
    program = (
        "import sys; from audiostore.cli import main; main([sys.argv[1]]); "
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    for option in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", program, option],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.stderr == "[]\n"


def test_what_a_listing_leaves_out_is_told(call: Call, tmp_path: Path) -> None:
    store, copied = tmp_path / "store", tmp_path / "copied"
    assert call("put", FLAC, "--no-artwork", "--bucket", store.as_uri())[0] == 0
    (store / "notes.txt").write_text("of the user")
    assert call("list", "--bucket", store.as_uri())[2] == ""
    shutil.copytree(store, copied, copy_function=shutil.copyfile)
    for command in (["list"], ["get", "--all", "--to", tmp_path / "back"], ["stats"]):
        code, _, err = call(*command, "--bucket", copied.as_uri())
        assert code == 0
        assert "warning: 1 file of the store was skipped: unreadable" in err
    code, _, err = call("copy", "--from", copied.as_uri(), "--to", (tmp_path / "to").as_uri())
    assert "1 file of the store was skipped" in err
    code, out, err = call("check", "--bucket", copied.as_uri())
    assert code == 1
    assert "foreign-file" in out  # it names them itself
    assert "skipped" not in err


_NOT_FOR_PUT = {
    "dataclasses",
    "inspect",
    "tenacity",
    "email",
    "av",
    "PIL",
    "google.auth",
    "asyncio",
    "uuid",
    "platform",
    "random",
    "shutil",
}
if sys.version_info >= (3, 12):
    _NOT_FOR_PUT.remove("inspect")  # typing imports it to look at a protocol


_PUT = f"""
import gc, sys
collections = []

def note(event, _):
    if event == "subprocess.Popen":
        print("started with", "manager" * ("audiostore.manager" in sys.modules), file=sys.stderr)

from audiostore.cli import main
sys.addaudithook(note)
gc.callbacks.append(lambda *_: collections.append(1))
code = main(sys.argv[1:])
assert len(collections) < 10  # of garbage; with Python's own threshold, over a hundred
print(*({_NOT_FOR_PUT} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


def test_a_put_to_a_bucket_imports_nothing_that_it_does_not_need(server: StrictServer) -> None:
    args = ["put", str(MP3), "--thumbnail", str(COVER), "--no-journal"]
    done = subprocess.run(
        [sys.executable, "-c", _PUT, *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    assert len(server.objects("bucket")) == 2


_END = """
import gc, sys
from audiostore.cli import main
gc.collect()
gc.callbacks.append(lambda *_: print("searched", file=sys.stderr))
code = main()
gc.callbacks.clear()
sys.exit(code)
"""


def test_a_command_that_ends_does_not_search_all_it_has_imported_for_garbage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _END, "probe", str(MP3)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "printed"),
    [
        ("mp3", (), "\n"),
        ("wma", (), "started with \n\n"),
        ("wma", ("--check", "none"), "\n"),
        ("mp3", ("--check", "full"), "started with \n\n"),
        ("mp3", ("--thumbnail-max-px", "9"), "started with \n\n"),
    ],
)
def test_put_starts_a_sandbox_worker_first_or_not_at_all(
    name: str, options: tuple[str, ...], printed: str, tmp_path: Path
) -> None:
    """And it imports nothing that it does not need."""
    file = tmp_path / f"sound{AUDIO[name][0]}"
    file.write_bytes(sample(name))
    store = (tmp_path / "store").as_uri()
    args = ["put", str(file), "--thumbnail", str(COVER), "--bucket", store, *options]
    done = subprocess.run(
        [sys.executable, "-c", _PUT, *args, "--no-journal"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, printed)
