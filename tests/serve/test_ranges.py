"""Which bytes a request wants (RFC 9110, sections 13 and 14)."""

import pytest
from hypothesis import given, strategies as st

from audiostore.serve.ranges import (
    OPEN_RANGE_BYTES,
    ByteRange,
    UnsatisfiableRangeError,
    names_etag,
    range_applies,
    requested_range,
)

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=10-19", ByteRange(10, 20)),
        ("bytes=990-5000", ByteRange(990, SIZE)),
        ("bytes=10-", ByteRange(10, SIZE)),
        ("bytes=-1", ByteRange(999, SIZE)),
        ("bytes=-5000", ByteRange(0, SIZE)),
        ("BYTES = 1-2", ByteRange(1, 3)),
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=a-b", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=\N{SUPERSCRIPT ONE}-\N{SUPERSCRIPT TWO}", None),
        (f"bytes=0-{'9' * 5000}", None),
    ],
)
def test_a_range_is_read_as_the_rfc_says(header: str | None, expected: ByteRange | None) -> None:
    assert requested_range(header, SIZE) == expected


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_without_a_byte_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        requested_range(header, SIZE)


def test_an_open_range_is_capped_and_a_closed_one_is_not() -> None:
    size = 10 * OPEN_RANGE_BYTES
    assert requested_range("bytes=7-", size) == ByteRange(7, 7 + OPEN_RANGE_BYTES)
    assert requested_range(f"bytes=0-{size}", size) == ByteRange(0, size)


@pytest.mark.slow
@given(st.text(), st.integers(min_value=0, max_value=10_000))
def test_any_header_asks_for_bytes_that_exist(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            found = requested_range(text, size)
        except UnsatisfiableRangeError:
            continue
        assert found is None or 0 <= found.start < found.stop <= size


@pytest.mark.parametrize(
    ("header", "weak", "strong"),
    [
        (None, False, False),
        ("*", True, True),
        ('"a"', True, True),
        ('"x", "a"', True, True),
        ('W/"a"', True, False),
        ("a", False, False),
        ('"b"', False, False),
    ],
)
def test_entity_tags_are_compared(header: str | None, weak: bool, strong: bool) -> None:
    assert names_etag(header, '"a"') is weak
    assert names_etag(header, '"a"', is_strong=True) is strong


def test_a_range_counts_only_for_the_version_that_the_client_has() -> None:
    assert range_applies(None, '"a"')
    assert range_applies('"a"', '"a"')
    assert not range_applies('"b"', '"a"')
    assert not range_applies('W/"a"', '"a"')
    assert not range_applies("Sat, 29 Oct 1994 19:43:31 GMT", '"a"')
