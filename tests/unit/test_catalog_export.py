"""What is exported comes back as it was, read by others' programs."""

import csv
import io
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pyarrow as pa
import pytest
from hypothesis import example, given, strategies as st
from pyarrow import parquet

from audiostore import ConfigurationError, StorageResult
from audiostore.catalog import columns
from audiostore.catalog.columns import COLUMNS, Row, row_of
from audiostore.catalog.export import ExportFormat, format_for, write
from tests.catalog_samples import audio_ids, made_up, result

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def many(draw: st.DrawFn) -> list[StorageResult]:
    found = []
    for number, audio_id in enumerate(audio_ids(draw(st.integers(0, 5)))):
        audio, cover = made_up(number, audio_id)
        metadata = draw(st.dictionaries(st.sampled_from(["title", "artist", "a key"]), TEXT))
        metadata |= {"original_filename": draw(TEXT)}
        changed = replace(
            audio,
            metadata=metadata,
            md5_hash=draw(st.none() | st.just("AAAAAAAAAAAAAAAAAAAAAA==")),
            temporary_hold=draw(st.booleans()),
            custom_time=draw(st.none() | st.just(datetime(2027, 1, 1, 12, tzinfo=UTC))),
        )
        found.append(result(changed, cover if draw(st.booleans()) else None))
    return found


def exported(assets: list[StorageResult], export_format: ExportFormat) -> bytes:
    stream = io.BytesIO()
    assert write(assets, stream, export_format) == len(assets)
    return stream.getvalue()


def rows(assets: list[StorageResult]) -> list[Row]:
    return [row for asset in assets if (row := row_of(asset)) is not None]


def in_text(row: Row) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}


def hostile(title: str) -> list[StorageResult]:
    audio, cover = made_up(1, audio_ids(1)[0])
    return [result(replace(audio, metadata={"title": title}), cover)]


@pytest.mark.slow
@given(many())
@example(hostile("line\nline\r\nline\rline, \"quoted\" ; 'x'\t\0"))
def test_json_lines_come_back_as_they_were(assets: list[StorageResult]) -> None:
    data = exported(assets, "jsonl")
    assert data.isascii()
    assert [json.loads(line) for line in data.split(b"\n")[:-1]] == list(map(in_text, rows(assets)))


@pytest.mark.slow
@given(many())
@example(hostile("line\nline\r\nline\rline, \"quoted\" ; 'x'\t\0"))
@example(hostile("=HYPERLINK(1)"))
def test_csv_comes_back_as_it_was(assets: list[StorageResult]) -> None:
    text = exported(assets, "csv").decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    expected = [
        {
            k: "" if v is None else str(v).lower() if isinstance(v, bool) else str(v)
            for k, v in in_text(row).items()
        }
        for row in rows(assets)
    ]
    assert read == expected
    assert text.splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.slow
@given(many())
@example(hostile("line\nline\r\nline\rline, \"quoted\" ; 'x'\t\0"))
def test_parquet_comes_back_as_it_was(assets: list[StorageResult]) -> None:
    table = parquet.read_table(io.BytesIO(exported(assets, "parquet")))
    assert table.column_names == list(COLUMNS)
    assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert table.to_pylist() == rows(assets)


def test_the_row_says_what_is_known() -> None:
    audio, cover = made_up(3, audio_ids(1)[0])
    metadata = {
        **audio.metadata,
        "sample_rate_hz": "44100",
        "channels": "2",
        "bitrate_bps": "?",
        "artist": "Nina",
        "mood": "blue",
        "supersedes": audio_ids(2)[1],
    }
    row = row_of(result(replace(audio, metadata=metadata), cover))
    assert row is not None
    assert row["format"] == "mp3"
    assert row["created_at"] == audio.created_at
    assert (row["duration_s"], row["sample_rate_hz"], row["bitrate_bps"]) == (3.5, 44100, None)
    assert (row["title"], row["artist"], row["album"]) == ("Title 3", "Nina", None)
    assert (row["has_thumbnail"], row["artwork_is_missing"]) == (True, False)
    assert (row["supersedes"], row["superseded_by"]) == (audio_ids(2)[1], None)
    assert row["metadata"] == '{"mood": "blue"}'
    assert list(row) == list(COLUMNS)


def test_missing_artwork_is_reported() -> None:
    audio, _ = made_up(3, audio_ids(1)[0])
    row = row_of(result(audio, None))
    assert row is not None
    assert (row["has_thumbnail"], row["artwork_is_missing"]) == (False, True)


def test_every_column_is_documented() -> None:
    documented = columns.__doc__ or ""
    for name in COLUMNS:
        assert name in documented, name


def test_the_file_name_says_the_format() -> None:
    names = ["a.jsonl", "a.ndjson", "A.CSV", "a.parquet", "a.xlsx", "-"]
    assert [format_for(n) for n in names] == ["jsonl", "jsonl", "csv", "parquet", None, None]


@pytest.mark.slow
@pytest.mark.parametrize("export_format", get_args(ExportFormat))
def test_memory_does_not_grow_with_the_number_of_assets(
    export_format: ExportFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiostore.catalog.export._ROW_GROUP", 500)
    audio, cover = made_up(3, audio_ids(1)[0])

    def peak(count: int) -> int:
        with open("/dev/null", "wb") as stream:  # noqa: PTH123
            tracemalloc.start()
            try:
                write((result(audio, cover) for _ in range(count)), stream, export_format)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(1)  # what is imported when first used
    few, many_ = (500, 1250) if export_format == "parquet" else (100, 1000)
    assert peak(many_) < peak(few) * 1.2 + 10_000


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    stream = io.BytesIO()
    with pytest.raises(ConfigurationError, match=r"pip install 'audiostore\[parquet\]'"):
        write([], stream, "parquet")
    assert stream.getvalue() == b""


@pytest.mark.slow
def test_pyarrow_is_imported_for_parquet_alone() -> None:
    program = (
        "import io, sys; from audiostore.catalog.export import write; "
        "write([], io.BytesIO(), 'csv'); print('pyarrow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout == b"False\n"
