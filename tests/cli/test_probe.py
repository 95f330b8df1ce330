"""`audiostore probe`, and what `put` makes of the files' insides."""

import json
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audiostore import LocalStore
from audiostore.cli.commands.probe import inside_block
from audiostore.cli.failures import located
from audiostore.ingest import UploadOptions, prepare_audio
from audiostore.media import inspection
from audiostore.media.facts.by_headers import describe_by_headers
from audiostore.media.images import identify_image
from audiostore.media.info import AudioInfo
from audiostore.values import BlobInfo
from tests.audio_samples import riff, sample
from tests.cli.conftest import COVER, EXAMPLES, FLAC, MP3, Call, Run
from tests.hostile_files import flac_of_many_tags

M4A = EXAMPLES / "paper-lanterns.m4a"
FIELDS = {
    "file",
    "storable",
    "content_type",
    "container",
    "codec",
    "duration_s",
    "duration_is_exact",
    "sample_rate_hz",
    "channels",
    "bits_per_sample",
    "bitrate_bps",
    "tags",
    "chapters",
    "artwork",
    "artwork_problem",
    "warnings",
}


def _tagged(title: bytes) -> bytes:
    """Return an MP3 whose title is this UTF-8 text."""

    def synchsafe(size: int) -> bytes:
        return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))

    frame = b"TIT2" + synchsafe(len(title) + 1) + b"\0\0\3" + title
    return b"ID3\x04\0\0" + synchsafe(len(frame)) + frame + sample("mp3 without tags")


def _file(name: str, data: bytes) -> Path:
    path = Path(name)
    path.write_bytes(data)
    return path


# -- probe -------------------------------------------------------------------------------------


def test_probe_shows_what_a_file_contains(call: Call) -> None:
    code, out, err = call("probe", MP3)
    assert (code, err) == (0, "")
    assert [line.split(maxsplit=1) for line in out.splitlines()[1:]] == [
        ["format", "MP3, mp3 (audio/mpeg)"],
        ["duration", "0:10.4"],
        ["sound", "44100 Hz, stereo, 128 kbit/s"],
        ["size", "172.2 KiB"],
        ["title", "Morning, in C"],
        ["artist", "The audiostore developers"],
        ["album", "Seven Small Tracks"],
        ["track", "1"],
        ["date", "2025"],
        ["genre", "Ambient"],
        ["artwork", "JPEG, 300 x 300 pixels"],
    ]
    assert out.splitlines()[0] == str(MP3)


def test_probe_as_json(call: Call) -> None:
    code, out, err = call("probe", "--json", FLAC, M4A)
    assert code == 0
    assert err.count("\n") == 1  # the index of the MP4 file
    assert out.isascii()
    flac, m4a = map(json.loads, out.splitlines())
    assert set(flac) == set(m4a) == FIELDS
    assert (flac["file"], flac["storable"]) == (str(FLAC), True)
    assert (flac["codec"], flac["channels"], flac["bits_per_sample"]) == ("flac", 1, 16)
    assert flac["tags"]["title"] == "Lied für Ümläute"
    assert flac["artwork"]["content_type"] == "image/png"
    assert (m4a["container"], m4a["codec"], m4a["content_type"]) == ("MP4", "aac", "audio/mp4")
    assert m4a["duration_s"] == pytest.approx(9.771, abs=0.001)


def test_every_example_is_storable_and_blocks_are_separated(call: Call) -> None:
    audio = sorted(
        p for p in EXAMPLES.iterdir() if p.suffix in (".mp3", ".flac", ".ogg", ".m4a", ".wav")
    )
    code, out, err = call("probe", *audio)
    assert code == 0
    assert "error" not in err
    blocks = out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [str(path) for path in audio]


def test_an_estimated_duration_is_marked(call: Call) -> None:
    mp3_in_wav = (b"fmt ", struct.pack("<HHIIHH", 0x55, 1, 48_000, 8_000, 1, 0))
    path = _file("a.wav", riff(mp3_in_wav, (b"data", sample("mp3 without a count"))))
    assert "duration  about 0:0" in call("probe", path)[1]


def test_one_bad_file_makes_the_exit_code_1_and_the_others_are_shown(call: Call) -> None:
    cut = _file("cut.mp3", MP3.read_bytes()[:50_000])
    code, out, err = call("probe", cut, "missing.mp3", COVER, MP3)
    assert code == 1
    assert "Morning, in C" in out
    lines = err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("audiostore: error: ") for line in lines)
    assert "cut.mp3 is cut short" in lines[0]
    assert "missing.mp3" in lines[1]
    assert "JPEG" in lines[2]


@pytest.mark.slow
def test_a_limit_is_told_with_the_file_and_what_to_do(call: Call) -> None:
    path = flac_of_many_tags(Path("many.flac").absolute())
    code, _, err = call("probe", path)
    told = "FFmpeg takes more than 2 s of CPU time for it: that is a limit, not a sign of damage"
    assert (code, err) == (
        1,
        f"audiostore: error: {path}: {told}; 'audiostore put --check none' stores it unexamined\n",
    )


def test_an_error_names_the_file_once(call: Call, bucket: str) -> None:
    Path("music").mkdir()
    only_frame = bytes.fromhex("ffe318c4") + bytes(68)  # FFmpeg wants more than one
    _file("music/one.mp3", only_frame)
    _file("music/none.mp3", bytes(9))
    error = "audiostore: error: "
    ours = "FFmpeg cannot read it: Invalid data found when processing input\n"
    assert call("put", "music/one.mp3")[2] == f"{error}'one.mp3': {ours}"
    assert call("probe", "music/one.mp3")[2] == f"{error}music/one.mp3: {ours}"
    for command in ("put", "probe"):
        lines = call(command, "music/one.mp3", "music/none.mp3")[2].splitlines()
        assert f"{error}music/one.mp3: {ours}" in [f"{line}\n" for line in lines]
        assert any(line.startswith(f"{error}music/none.mp3 is ") for line in lines)


def test_errors_of_the_library_do_not_name_the_file_again(call: Call, bucket: str) -> None:
    names = ("it's.mp3", "\u00fc.mp3", "b\udcff.mp3", "line: 2.mp3")
    Path("music").mkdir()
    for name in names:
        _file(f"music/{name}", b"")
    shown = [f"music/{name}".replace("\udcff", r"\udcff") for name in names]
    empty = "is empty: there is nothing to store"
    expected = {f"audiostore: error: {name} {empty}" for name in shown}
    files = [f"music/{name}" for name in names]
    assert set(call("probe", *files)[2].splitlines()) == expected
    assert expected <= set(call("put", "music")[2].splitlines())
    assert {f"reject  {name} {empty}" for name in shown} == set(
        call("put", "music", "--dry-run")[1].splitlines()
    )
    failed = call("jobs", "1")[1].splitlines()[::2]
    assert set(failed) == {f"{Path(name).absolute()} {empty}" for name in shown}


def test_what_names_its_file_anyway_gets_no_name_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert located("a/b.mp3", "no file at '/a/b.mp3'") == "no file at '/a/b.mp3'"
    assert located("l.csv, line 2: a/b.mp3", "no file at '/a/b.mp3'") == (
        "l.csv, line 2: no file at '/a/b.mp3'"
    )
    assert located("l.csv, line 2: a/b.mp3", "'/a/b.mp3' is empty") == (
        "l.csv, line 2: a/b.mp3 is empty"
    )
    assert located("a/b.mp3", "'/a/b.jpg' is empty") == "a/b.mp3: '/a/b.jpg' is empty"


def test_a_wrong_name_is_not_all_that_is_said_of_a_damaged_file(call: Call, bucket: str) -> None:
    song = _file("song.wav", MP3.read_bytes()[:50_000])
    besides = "rename it to .mp3, or pass --fix-extension; besides, the file is cut short: "
    assert besides in call("probe", song)[2]
    assert besides in call("put", song)[2]
    cover = _file("cover.png", COVER.read_bytes()[:2_000])
    assert (
        "rename it to .jpg, or pass --fix-extension; besides, the JPEG image is cut short"
        in (call("put", MP3, "--thumbnail", cover)[2])
    )


def test_bad_files_as_json(call: Call) -> None:
    cut = _file("cut.mp3", MP3.read_bytes()[:50_000])
    code, out, err = call("probe", "--json", cut, "missing.mp3", MP3)
    assert (code, err) == (1, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [(fields["file"], fields["storable"]) for fields in told] == [
        ("cut.mp3", False),
        ("missing.mp3", False),
        (str(MP3), True),
    ]
    assert set(told[0]) == {"file", "storable", "reason"}
    assert "is cut short" in told[0]["reason"]


def test_a_full_check_finds_what_a_quick_one_does_not(call: Call) -> None:
    data = bytearray(FLAC.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = b"\x55" * 4000
    path = _file("broken.flac", bytes(data))
    assert call("probe", path)[0] == 0
    code, out, err = call("probe", "--check", "full", path)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1


def test_probe_with_fix_extension_goes_by_the_content(call: Call) -> None:
    path = _file("song.wav", MP3.read_bytes())
    code, _, err = call("probe", path)
    assert code == 1
    assert "rename it to .mp3, or pass --fix-extension" in err
    code, out, err = call("probe", "--fix-extension", path)
    assert (code, err) == (0, "")
    assert "MP3, mp3 (audio/mpeg)" in out


HOSTILE = "\x1b[2J\x1b]0;owned\x07red\u202egnp.3pm\u2028\x9b31m"


def test_hostile_tags_and_names_cannot_reach_the_terminal(call: Call) -> None:
    path = _file("a\x1b[31m\nb.mp3", _tagged(HOSTILE.encode()))
    code, out, err = call("probe", path)
    assert (code, err) == (0, "")
    assert "owned" in out
    bad = {"\x1b", "\x07", "\r", "\x9b", "\u202e", "\u2028", "\x00"}
    assert not bad & set(out)
    assert out.splitlines()[0] == r"a\x1b[31m\nb.mp3"
    code, out, _ = call("probe", "--json", path)
    assert (code, out.count("\n")) == (0, 1)
    assert out.rstrip("\n").isprintable()
    assert json.loads(out)["file"] == str(path)
    _file("b\x1b[31m\n.mp3", b"nonsense")
    _, _, err = call("probe", "b\x1b[31m\n.mp3")
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_the_block_escapes_whatever_a_tag_holds() -> None:
    """Looking inside cleans tags already; the terminal does not rely on that."""
    with prepare_audio(MP3, UploadOptions(check="none")) as item:
        info = AudioInfo("MP3", "mp3", 1.0, True, 44100, 2, tags={"title": HOSTILE})
        block = inside_block("a", replace(item, info=info))
    assert r"\x1b[2J\x1b]0;owned\x07red\u202egnp.3pm\u2028\x9b31m" in block
    assert all(line.isprintable() for line in block.split("\n"))


def test_probe_looks_inside_a_file_once(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def counting(*args: Any, **keywords: Any) -> AudioInfo | None:
        looks.append(args)
        return describe_by_headers(*args, **keywords)

    monkeypatch.setattr(inspection, "describe_by_headers", counting)
    code, out, _ = call("probe", MP3)
    assert (code, "Morning, in C" in out) == (0, True)
    assert len(looks) == 1


def test_probe_needs_no_store_and_makes_none(run: Run, home: Path) -> None:
    done = run("probe", MP3, env={"GCS_BUCKET_NAME": "no bucket"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "Morning, in C" in done.stdout
    assert not (home / "data").exists()


def test_probe_rejects_the_bucket_option(call: Call) -> None:
    assert call("probe", "--bucket", "my-bucket", MP3)[0] == 2
    assert call("probe")[0] == 2
    assert call("probe", "--check", "some", MP3)[0] == 2


def test_without_a_check_probe_agrees_with_put(call: Call, bucket: str) -> None:
    path = _file("cut.m4a", M4A.read_bytes()[:50_000])
    assert call("put", "--check", "none", path)[0] == 0
    assert call("probe", "--check", "none", path)[0] == 0


def test_probe_prints_the_warnings_of_put(call: Call, bucket: str) -> None:
    assert "its index is at the end" in call("put", M4A)[2]
    assert "its index is at the end" in "".join(call("probe", M4A)[1:])
    noted = json.loads(call("--json", "probe", M4A)[1])["warnings"]
    assert ["its index is at the end" in warning for warning in noted] == [True]


# -- put ---------------------------------------------------------------------------------------


def _stored(bucket: str) -> dict[str, BlobInfo]:
    store = LocalStore(Path(bucket.removeprefix("file://")))
    return {blob.name.rpartition("/")[2]: blob for blob in store.list("")}


def test_put_takes_tags_from_the_file_and_from_the_command(call: Call, bucket: str) -> None:
    args = ("--title", "Mine", "--artist", "Björk", "--meta", "mood=early")
    assert call("put", MP3, *args)[0] == 0
    metadata = _stored(bucket)["audio.mp3"].metadata
    assert (metadata["title"], metadata["artist"]) == ("Mine", "Björk")
    assert (metadata["album"], metadata["mood"]) == ("Seven Small Tracks", "early")


def test_put_stores_embedded_artwork_unless_it_is_declined(call: Call, bucket: str) -> None:
    code, out, err = call("put", MP3)
    assert (code, err) == (0, "")
    assert out.splitlines()[2].endswith("/thumbnail.jpg")
    assert call("rm", out.splitlines()[0])[0] == 0
    code, out, _ = call("put", MP3, "--no-artwork", "--again")
    assert (code, out.count("\n")) == (0, 2)
    assert list(_stored(bucket)) == ["audio.mp3"]


def test_put_scales_artwork(call: Call, bucket: str) -> None:
    code, out, _ = call("put", MP3, "--thumbnail-max-px", "32")
    assert code == 0
    call("get", out.splitlines()[0], "--part", "thumbnail", "-o", "small.jpg")
    assert identify_image(Path("small.jpg").read_bytes()).width == 32


@pytest.mark.parametrize("value", ["0", "-3"])
def test_put_refuses_to_scale_to_nothing(call: Call, bucket: str, value: str) -> None:
    code, out, err = call("put", MP3, f"--thumbnail-max-px={value}")
    assert (code, out) == (2, "")
    assert "bug" not in err


def test_put_refuses_a_size_that_is_not_a_number(call: Call, bucket: str) -> None:
    assert call("put", MP3, "--thumbnail-max-px", "big")[0] == 2


def test_put_moves_the_index_to_the_front(call: Call, bucket: str) -> None:
    shutil.copy(M4A, "song.m4a")
    code, out, err = call("put", "song.m4a", "--faststart", "--cleanup")
    assert (code, err) == (0, "")
    assert not Path("song.m4a").exists()
    call("get", out.splitlines()[0], "-o", "fetched.m4a")
    data = Path("fetched.m4a").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    code, _, err = call("put", M4A)
    assert code == 0
    assert err.startswith("audiostore: warning: ")
    assert "pass --faststart" in err


def test_put_with_fix_extension_goes_by_the_content(call: Call, bucket: str) -> None:
    path = _file("song.wav", MP3.read_bytes())
    assert call("put", path)[0] == 2
    assert call("put", path, "--fix-extension")[0] == 0
    assert "audio.mp3" in _stored(bucket)


def test_put_can_make_audio_public(call: Call, bucket: str) -> None:
    audio_id = call("put", MP3)[1].splitlines()[0]
    assert str(_stored(bucket)["audio.mp3"].cache_control).startswith("private, ")
    call("rm", audio_id)
    call("put", MP3, "--public")
    for blob in _stored(bucket).values():
        assert str(blob.cache_control).startswith("public, ")


def test_put_checks_at_the_given_level(call: Call, bucket: str) -> None:
    cut = _file("cut.mp3", MP3.read_bytes()[:50_000])
    for level in ("quick", "full"):
        code, out, err = call("put", cut, "--check", level)
        assert (code, out) == (2, "")
        assert "is cut short" in err
    assert call("put", cut, "--check", "none")[0] == 0


def test_a_file_that_claims_terabytes_is_refused_at_once(call: Call, bucket: str) -> None:
    path = _file("sparse.mp3", MP3.read_bytes()[:4096])
    os.truncate(path, 3 << 40)
    reason = "has 3,298,534,883,328 bytes: the limit is {}; raise --max-size to store it"
    for command in (("put",), ("put", "--dry-run"), ("probe",), ("put", "--skip-stored")):
        code, out, err = call(*command, path)
        assert reason.format("100,000,000,000") in out + err
        assert code
    assert reason.format("1,000,000") in call("put", path, "--max-size", "1MB")[2]
    assert call("probe", MP3, "--max-size", "1MB")[0] == 0
    for size in ("0", "-1", "6T", "9" * 400, "big"):
        assert call("put", path, f"--max-size={size}")[0] == 2
    assert not _stored(bucket)
