"""docs/formats.md agrees with the code, and every cut that was found before is still found."""

import io
from pathlib import Path

import pytest

from audiostore.media.formats import AUDIO_FORMATS
from audiostore.media.recognition import recognise
from audiostore.media.sandbox.pool import SandboxPool
from audiostore.media.structure import check_structure
from tests import formats_table
from tests.audio_samples import AUDIO, sample
from tests.unit.test_structure import PERCENTS, UNSEEN


@pytest.fixture(scope="module")
def page() -> str:
    return formats_table.page()


@pytest.mark.slow
def test_the_page_is_what_its_generator_gives(page: str) -> None:
    there = formats_table.PAGE.read_text(encoding="utf-8")
    assert there == page, "run: python -m tests.formats_table"


@pytest.mark.slow
def test_the_page_agrees_with_the_tests_of_structure(page: str) -> None:
    rows = {
        cells[1]: cells[2:-1]
        for cells in ([c.strip() for c in line.split("|")] for line in page.splitlines())
        if len(cells) > 2 and cells[1] in AUDIO
    }
    assert rows.keys() == AUDIO.keys()
    assert PERCENTS == formats_table.PERCENTS
    for name, verdicts in rows.items():
        for percent, verdict in zip(PERCENTS, verdicts, strict=True):
            assert (verdict == "quick") == (percent not in UNSEEN.get(name, ())), (name, percent)


def test_every_format_says_what_is_compared_and_how_a_cut_is_found() -> None:
    for each in AUDIO_FORMATS:
        assert each.check
        assert each.counts
        assert each.cut_found_by
        assert each.cut_missed


@pytest.mark.slow
def test_every_sample_is_accepted_while_it_is_whole(tmp_path: Path) -> None:
    """Otherwise the page would say "quick" about samples that are refused anyway."""
    with SandboxPool(cpu_s=60) as pool:
        for name in AUDIO:
            data = sample(name)
            recognised = recognise(io.BytesIO(data))
            assert recognised is not None
            (tmp_path / "whole").write_bytes(data)
            check_structure(io.BytesIO(data), recognised, len(data), name=name)
            pool.probe(tmp_path / "whole", recognised.format.name)
            pool.decode(tmp_path / "whole", recognised.format.name)
