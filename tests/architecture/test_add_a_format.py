"""A new audio format needs one module, its samples, and the generated page: nothing else.

The test adds one (Sun AU) to a copy of the package, and uses it in a process that imports the copy.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORMAT = '''
"""Sun AU: a header, which gives the size of the sound, and the sound."""

from audiostore.media.kinds import Format, Recognised, Verdict
from audiostore.media.parsing.reading import NO_SOUND, Reader, big, cut_short

_UNKNOWN_SIZE = 0xFFFFFFFF
_CODECS = {1: "mulaw", 3: "pcm"}


def _recognise(reader: Reader, offset: int) -> Recognised:
    return Recognised(FORMAT, _CODECS.get(big(reader.at(offset, 24), 12)), offset)


def _check(reader: Reader, found: Recognised) -> Verdict:
    head = reader.at(found.offset, 24)
    start, size = found.offset + big(head, 4), big(head, 8)
    there = max(0, reader.size - start)
    if size != _UNKNOWN_SIZE and size > there:
        return Verdict(cut_short("its header promises", size, there))
    return Verdict(None if there else NO_SOUND)


FORMAT = Format(
    name="AU",
    kind="audio",
    content_type="audio/basic",
    extensions=(".au",),
    magic=(b".snd",),
    recognise=_recognise,
    check=_check,
    counts=("bytes of sound in the header: those that follow it",),
    cut_found_by="the size of the sound",
    cut_missed="of a pipe's output: any",
    demuxer="au",
)
'''

SAMPLES = '''
"""Samples of Sun AU."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode

SAMPLES: Mapping[str, Sample] = {"au": (".au", "pcm", lambda: encode("au", "pcm_s16be"))}
'''

USE = """
import sys
from io import BytesIO
from pathlib import Path

import audiostore
from audiostore import AudioStorageManager
from audiostore.bulk.sources.folders import AUDIO_EXTENSIONS
from audiostore.catalog import Query
from audiostore.errors import UnplayableAudioError, UnsupportedFormatError
from audiostore.lifecycle.policy import Policy
from audiostore.lifecycle.rules import rules_of
from audiostore.media.recognition import describe
from tests import formats_table
from tests.audio_samples import AUDIO, sample

copy, work = map(Path, sys.argv[1:])
assert Path(audiostore.__file__).is_relative_to(copy), audiostore.__file__
data = sample("au")


def error_of(name, content, error):
    (work / name).write_bytes(content)
    try:
        manager.upload_audio_file(work / name)
    except error as caught:
        return str(caught)
    raise AssertionError(f"{name} was stored")


# Recognised, and not taken for another format.
assert describe(data) == "AU audio"
with AudioStorageManager((work / "store").as_uri()) as manager:
    assert "is AU audio: rename it to .au" in error_of("a.mp3", data, UnsupportedFormatError)
    # The structure check sees a cut.
    assert "is cut short" in error_of("a.au", data[: len(data) // 2], UnplayableAudioError)
    # Probed and decoded in the sandbox, and stored.
    (work / "song.au").write_bytes(data)
    stored = manager.upload_audio_file(work / "song.au", check="full")
    audio = manager.get(stored.audio_id).audio
    assert audio.name.endswith("/audio.au"), audio.name
    assert audio.content_type == "audio/basic"
    assert audio.metadata["codec"] == "pcm_s16be"
    assert audio.metadata["duration_s"] == "2.000"
    # Found by its format, and by nobody who asks for another.
    for name, count in (("au", 1), ("mp3", 0)):
        query = Query(formats=frozenset({name}))
        assert sum(map(query.matches, manager.list())) == count, name
    assert manager.open(stored.audio_id).read() == data

# Known to folders, to lifecycle rules, and to the page.
assert ".au" in AUDIO_EXTENSIONS
[rule] = rules_of(Policy(expire_after_days=90))
assert "/audio.au" in rule["condition"]["matchesSuffix"]
page = formats_table.page()
assert "| AU | audio | `.au` | `audio/basic` |" in page
assert "| AU | bytes of sound in the header: those that follow it |" in page
assert "| AU | the size of the sound | of a pipe's output: any |" in page
assert "| au | quick | quick | quick | quick |" in page
"""


@pytest.mark.slow
def test_one_module_adds_a_format_and_its_samples_put_it_on_the_page(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    without_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "audiostore", copy / "audiostore", ignore=without_caches)
    samples = copy / "tests" / "audio_samples"
    shutil.copytree(ROOT / "tests" / "audio_samples", samples, ignore=without_caches)
    for name in ("__init__.py", "formats_table.py"):
        shutil.copy(ROOT / "tests" / name, copy / "tests")
    (copy / "examples").symlink_to(ROOT / "examples")
    for each in (samples / "formats").glob("*.py"):
        if each.stem not in ("__init__", "aac", "mp4"):  # the page takes long with all samples
            each.unlink()

    (copy / "audiostore" / "media" / "formats" / "au.py").write_text(FORMAT)
    (samples / "formats" / "au.py").write_text(SAMPLES)

    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(USE), str(copy), str(work)],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_formats_are_found_inside_an_archive_too(tmp_path: Path) -> None:
    archive = shutil.make_archive(
        str(tmp_path / "package"), "zip", ROOT / "src", "audiostore", verbose=False
    )
    script = (
        "import audiostore, sys\n"
        "from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS\n"
        "assert audiostore.__file__.startswith(sys.argv[1]), audiostore.__file__\n"
        "print(*[each.name for each in AUDIO_FORMATS + IMAGE_FORMATS])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, archive],
        env={**os.environ, "PYTHONPATH": archive},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    names = ["AAC", "AIFF", "CAF", "FLAC", "MP3", "MP4", "Ogg", "WAV", "WebM", "WMA"]
    assert done.stdout.split() == [*names, "JPEG", "PNG", "WebP"], done.stderr
