"""Objects of an inventory report in Arrow, judged by batches as `Suspects` judges single ones.

Python sees, once a batch, each content type and each name that follows an id; and what is odd.
"""

import re
from binascii import unhexlify
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow
import pyarrow.compute

from audiostore.audit.reports import Rows

pa: Any = pyarrow  # pyarrow-stubs lack much of what is used here
pc: Any = pyarrow.compute

FIELDS = ("name", "size", "content_type", "crc32c")
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID_LENGTH = 36
_MOST_NAME_BYTES = 1024
"""Cloud Storage has no longer names."""


def plain(columns: Sequence[str], batch: Any, own: str) -> pyarrow.RecordBatch | None:
    """Return a batch of the `FIELDS` of objects in the bucket `own`, but for noncurrent ones.

    None if `batch` is not as reports are: then its rows are to be read one by one, which shows why.
    """
    cells: dict[str, Any] = dict(zip(columns, batch.columns, strict=True))
    nulls = pa.nulls(len(batch))
    name, size, *texts = (cells.get(each, nulls) for each in FIELDS)
    deleted, bucket = cells.get("time_deleted", nulls), cells.get("bucket", pa.array([own]))
    may_be = (pa.string(), pa.null())
    if (
        (name.type, size.type) != (pa.string(), pa.int64())
        or "content_type" not in cells
        or any(each.type not in may_be for each in texts)
        or not (deleted.type in may_be or pa.types.is_timestamp(deleted.type))
        or name.null_count + size.null_count
        or bucket.type != pa.string()
        or pc.unique(bucket).to_pylist() != [own]
        or (pc.min(size).as_py() or 0) < 0
        or (pc.max(pc.binary_length(name)).as_py() or 0) > _MOST_NAME_BYTES
    ):
        return None
    arrays = [name, size, *(each.cast(pa.string()) for each in texts)]
    found: pyarrow.RecordBatch = pa.RecordBatch.from_arrays(arrays, names=list(FIELDS))
    found.validate(full=True)  # text must be UTF-8
    if deleted.null_count < len(batch):
        is_text = deleted.type == pa.string()
        found = found.filter(pc.equal(deleted.fill_null(""), "") if is_text else deleted.is_null())
    return found


def by_id(batch: Any, root: str) -> tuple[pyarrow.RecordBatch, Rows]:
    """Return the objects with an id and a slash after the root, and others below it."""
    names = batch.column("name")
    has_id = pc.match_substring_regex(names, f"^{re.escape(root)}{_ID}/")
    if pc.all(has_id).as_py():
        return batch, Rows((), (), (), ())
    odd = batch.filter(pc.and_not(pc.starts_with(names, root), has_id))
    return batch.filter(has_id), Rows(*(odd.column(each).to_pylist() for each in FIELDS))


def records(
    batch: Any,
    at: int,
    expected: Callable[[str], tuple[int, frozenset[str | None]]],
    suspect: int,
    *,
    has_content: bool,
) -> tuple[Any, Any, Any]:
    """Return records (16 bytes, or 32 with content) of objects with an id from byte `at`.

    Their kinds go before: by their names, and `suspect` where size or content type show it.
    """
    sizes, checksums = batch.column("size"), batch.column("crc32c").cast(pa.binary())
    names = batch.column("name").cast(pa.binary())
    tails = pc.binary_slice(names, at + _ID_LENGTH, _MOST_NAME_BYTES).dictionary_encode()
    types = batch.column("content_type").dictionary_encode(null_encoding="encode")
    wanted = [expected(each.decode()) for each in tails.dictionary.to_pylist()]
    found = types.dictionary.to_pylist()
    named = pa.array([kind for kind, _ in wanted], pa.uint64()).take(tails.indices)
    pairs = pc.multiply(tails.indices.cast(pa.int64()), len(found))
    pairs = pc.add(pairs, types.indices).dictionary_encode()
    is_sound = [
        found[pair % len(found)] in wanted[pair // len(found)][1]
        for pair in pairs.dictionary.to_pylist()
    ]
    is_sound = pc.and_(pa.array(is_sound).take(pairs.indices), pc.greater(sizes, 0))
    kinds = pc.if_else(is_sound, named, pa.scalar(suspect, pa.uint64()))
    digits = pc.binary_slice(names, at, at + _ID_LENGTH).buffers()[2].to_pybytes()
    ids = _fixed(16, unhexlify(digits[: len(batch) * _ID_LENGTH].translate(None, b"-")))
    if not has_content:
        return named, kinds, ids
    is_known = pc.equal(pc.binary_length(checksums), 8).fill_null(False)
    parts = (ids, sizes.view(pa.binary(8)), pc.if_else(is_known, checksums, bytes(8)))
    joined = pc.binary_join_element_wise(*(each.cast(pa.binary()) for each in parts), b"")
    return named, kinds, _fixed(32, joined.buffers()[2].to_pybytes()[: len(batch) * 32])


def parted(
    kinds: Any, records: Any, multiplier: int, partitions: int
) -> Iterator[tuple[int, bytes]]:
    """Yield numbers of parts, as `Suspects` counts them, and the records for each."""
    size = records.type.byte_width
    words = pa.Array.from_buffers(pa.uint64(), len(kinds) * size // 8, [None, records.buffers()[1]])
    words = pa.FixedSizeListArray.from_arrays(words, size // 8)
    mixed = pc.bit_wise_xor(pc.list_element(words, 0), pc.list_element(words, 1))
    factor, shift, step = (pa.scalar(each, pa.uint64()) for each in (multiplier, 56, partitions))
    hashed = pc.shift_right(pc.multiply(mixed, factor), shift)
    numbers = pc.add(pc.multiply(kinds, step), hashed)
    data = records.take(pc.array_sort_indices(numbers)).buffers()[1].to_pybytes()
    counts = (each.to_pylist() for each in numbers.value_counts().flatten())
    at = 0
    for number, count in sorted(zip(*counts, strict=True)):
        yield number, data[at : at + count * size]
        at += count * size


def _fixed(size: int, data: bytes) -> Any:
    return pa.Array.from_buffers(pa.binary(size), len(data) // size, [None, pa.py_buffer(data)])
