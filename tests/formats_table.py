"""What we store and what a cut file comes to, as a page: ``python -m tests.formats_table``.

Writes docs/formats.md. The samples are those of the tests of structure, made anew each time; the
page has no figure that depends on who made them.
"""

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path

from audiostore.errors import UnplayableAudioError
from audiostore.media.formats import AUDIO_FORMATS, IMAGE_FORMATS
from audiostore.media.kinds import Format
from audiostore.media.recognition import recognise
from audiostore.media.sandbox.pool import SandboxPool
from audiostore.media.structure import check_structure
from tests.audio_samples import AUDIO, sample

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
PERCENTS = (10, 50, 90, 99)

HEAD = """\
# Formats

Written by `python -m tests.formats_table` from what the code does; a test holds it to that.

A file is what its bytes say. Where its name says something else, it is refused with both, unless
`--fix-extension` (`fix_extension=True`) tells us to go by the bytes.

## What is stored

"""

CUTS = """
AAC in the old ADIF form is recognised, but FFmpeg cannot look into it: it is stored only with
`check="none"`.

## What is found of a file that was cut short

Each sample is cut to 10, 50, 90 and 99 % of its bytes.

- **quick**: refused by `check="quick"`, the default, which looks at the structure.
- **full**: accepted by quick, refused by `check="full"`, which decodes every frame.
- **nothing**: no check tells. Either no sound is missing, or the file nowhere says how much sound
  it should have and what is there decodes.

"""


def look(name: str, percent: int, pool: SandboxPool, folder: Path) -> str:
    """Say what tells that a sample was cut: "quick", "full" or "nothing"."""
    data = sample(name)
    cut = data[: len(data) * percent // 100]
    recognised = recognise(io.BytesIO(cut))
    if recognised is None:
        return "quick"
    path = folder / "cut"
    path.write_bytes(cut)
    try:
        check_structure(io.BytesIO(cut), recognised, len(cut), name=name)
        pool.probe(path, recognised.format.name)
    except UnplayableAudioError:
        return "quick"
    try:
        pool.decode(path, recognised.format.name)
    except UnplayableAudioError:
        return "full"
    return "nothing"


def cuts() -> dict[str, list[str]]:
    """Return, for each sample, what tells of each cut."""
    with tempfile.TemporaryDirectory() as folder, SandboxPool(cpu_s=60) as pool:
        return {
            name: [look(name, percent, pool, Path(folder)) for percent in PERCENTS]
            for name in AUDIO
        }


def _types(found: Format) -> str:
    return ", ".join(f"`{each}`" for each in found.content_types)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heading), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page() -> str:
    """Return the whole page."""
    formats = [
        [f.name, f.kind, " ".join(f"`{e}`" for e in f.extensions), _types(f)]
        for f in (*AUDIO_FORMATS, *IMAGE_FORMATS)
    ]
    found = cuts()
    told = [verdict for verdicts in found.values() for verdict in verdicts]
    count = ", ".join(f"{told.count(v)} by {v}" for v in ("quick", "full", "nothing"))
    return (
        HEAD
        + _table(("Format", "Kind", "Extensions", "Content types"), formats)
        + CUTS
        + _table(("Sample", *(f"{p} %" for p in PERCENTS)), ([n, *v] for n, v in found.items()))
        + f"\nOf {len(told)} cuts: {count}.\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
