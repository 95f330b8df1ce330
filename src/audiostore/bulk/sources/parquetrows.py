"""The rows of a manifest in Parquet, a row group at a time (needs pyarrow)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from audiostore.bulk.sources.columns import COLUMNS, ColumnNames, Header
from audiostore.bulk.sources.rows import (
    ManifestProblem,
    ManifestProblemListener,
    Row,
    report_header,
    take,
)
from audiostore.errors import ConfigurationError, shown

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 1_000


def read_parquet(
    stream: BinaryIO, names: ColumnNames, directory: Path, on_problem: ManifestProblemListener
) -> Iterator[Row]:
    """Yield the rows of a Parquet file; numbers, truth values and times as text.

    Only the columns that are used are read. Memory: these columns of one row group.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  (an extra, and slow to import)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "a manifest in Parquet needs pyarrow: pip install 'audiostore[parquet]', or save it "
            "as CSV"
        ) from error
    number = 0
    try:
        file = parquet.ParquetFile(stream, pre_buffer=False)
        columns = file.schema_arrow.names
        header = names.header(columns, directory)
        if report_header(1, names, header, columns, on_problem):
            return
        if problems := _wrong_types(file.schema_arrow, header):
            for problem in problems:
                on_problem(ManifestProblem(1, problem, is_about_columns=True))
            return
        used = {at for _, at in header.fields}
        for batch in file.iter_batches(
            _BATCH_ROWS, columns=[columns[at] for at in sorted(used)], use_threads=False
        ):
            cells: list[list[str | None]] = [[None] * batch.num_rows] * len(columns)
            for at in used:
                cells[at] = _texts(batch.column(columns[at]))
            for values in zip(*cells, strict=True):
                number += 1
                if (row := take(number, header, values, on_problem)) is not None:
                    yield row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        on_problem(ManifestProblem(number + 1, f"not valid Parquet, from here on: {reason}"))
        return
    if not number:
        on_problem(ManifestProblem(1, "the manifest is empty: it has no rows"))


def _wrong_types(schema: "pa.Schema", header: Header) -> Sequence[str]:
    import pyarrow as pa  # noqa: PLC0415

    problems = []
    for target, at in header.fields:
        each = schema.field(at)
        kind = each.type.value_type if pa.types.is_dictionary(each.type) else each.type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        is_text = is_text or pa.types.is_string_view(kind) or pa.types.is_null(kind)
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            problems.append(
                f"the column {shown(each.name)} holds files, not their names: save them as files "
                "first"
            )
        elif target in COLUMNS and not is_text:
            problems.append(f"the column {shown(each.name)} is {kind}, not text")
        elif not (is_text or pa.types.is_primitive(kind) or pa.types.is_decimal(kind)):
            problems.append(f"the column {shown(each.name)} is {kind}, not text or a number")
    return problems


def _texts(array: "pa.Array[pa.Scalar[pa.DataType]]") -> list[str | None]:
    import pyarrow as pa  # noqa: PLC0415

    texts: list[str | None] = array.cast(pa.string()).to_pylist()
    if pa.types.is_floating(array.type):  # pandas has NaN for no value
        return [None if text == "nan" else text for text in texts]
    return texts
