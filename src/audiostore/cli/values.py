"""What is typed as an argument, as a value: sizes, durations, dates, key=value pairs."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from datetime import datetime

    from audiostore import Shard

PART_HELP = "audio, thumbnail or another part that 'audiostore show' lists (default: audio)"
_LINK_LIMIT_S = 7 * 86400  # of a V4 signed URL
_OBJECT_LIMIT_BYTES = 5 << 40  # of a bucket
_SIZE = r"([0-9]+(?:\.[0-9]+)?) ?([a-z]*)"
_CLOCK = r"(?:([0-9]+):)?([0-9]{1,2}):([0-9]{2}(?:\.[0-9]+)?)"
_SPAN = r"(?:([0-9]+(?:\.[0-9]+)?)s?|([0-9]+)([mhd]))"
_SECONDS = {"m": 60, "h": 3600, "d": 86400}
_BYTES = {
    unit: factor
    for power, letter in enumerate("kmgt", 1)
    for unit, factor in (
        (letter, 1 << 10 * power),
        (f"{letter}ib", 1 << 10 * power),
        (f"{letter}b", 10 ** (3 * power)),
    )
} | {"": 1, "b": 1}
_MOST_PORT = 65535


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def port(text: str) -> int:
    """Return the number of a port; 0: any free one."""
    if not (text.isascii() and text.isdecimal() and int(text) <= _MOST_PORT):
        raise ArgumentTypeError(f"invalid port {text!r} (0 to {_MOST_PORT})")
    return int(text)


def from_zero(text: str) -> int:
    """Return a whole number of at least 0."""
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return int(text)


def path(text: str) -> str:
    """Return a path; an empty one would be the current directory."""
    if not text:
        raise ArgumentTypeError("the path is empty (is a variable of the shell not set?)")
    return text


def key_and_value(text: str) -> tuple[str, str]:
    """Return what stands before and after the first equals sign."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def pattern(text: str) -> str:
    """Return a pattern for paths, which is valid."""
    from audiostore import PathPatterns  # noqa: PLC0415  (where the option is given)

    try:
        PathPatterns([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def cover_names(text: str) -> tuple[str, ...]:
    """Return the names of covers in a list with commas, without extensions."""
    names = [name.strip() for name in text.split(",")]
    stems = (re.sub(r"\.(jpe?g|png|webp)$", "", name, flags=re.IGNORECASE) for name in names)
    found = tuple(filter(None, stems))
    if not found:
        raise ArgumentTypeError(f"{text!r} names no cover (example: cover,folder,scan*)")
    return found


def shard(text: str) -> Shard:
    """Return a part of a store: ``3/64``."""
    from audiostore.asset import Shard  # noqa: PLC0415  (not for --help)

    try:
        return Shard.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def share(text: str) -> float:
    """Return a share, from 0 to 1: ``1%``, ``0.5%``."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)%", text)
    if match is None or not 0 < float(match[1]) <= 100:
        raise ArgumentTypeError(f"invalid share {text!r} (up to 100%; examples: 1%, 0.5%)")
    return float(match[1]) / 100


def size(text: str) -> int:
    """Return bytes: ``5000000``, ``5MB`` (10^6), ``5M`` and ``5MiB`` (2^20)."""
    match = re.fullmatch(_SIZE, text.lower())
    if match is None or match[2] not in _BYTES:
        raise ArgumentTypeError(f"invalid size {text!r} (examples: 500K, 5M)")
    return round(float(match[1]) * _BYTES[match[2]])


def object_size(text: str) -> int:
    """Return bytes, as many as an object may have."""
    try:
        size_bytes = size(text)
    except OverflowError:
        size_bytes = 0
    if not 1 <= size_bytes <= _OBJECT_LIMIT_BYTES:
        raise ArgumentTypeError(f"invalid size {text!r} (from 1 byte to 5T; examples: 500M, 2G)")
    return size_bytes


def rate(text: str) -> float:
    """Return bytes per second: a size, with or without ``/s``."""
    try:
        bytes_s = size(re.sub("/s$", "", text, flags=re.IGNORECASE))
    except (ArgumentTypeError, OverflowError):
        bytes_s = 0
    if not bytes_s:
        raise ArgumentTypeError(f"invalid rate {text!r} (examples: 500K, 5M bytes per second)")
    return bytes_s


def duration(text: str) -> float:
    """Return seconds: ``90``, ``90.5``, ``1:30``, ``1:02:03``, ``90s``, ``90m``, ``2h``, ``7d``."""
    if clock := re.fullmatch(_CLOCK, text):
        hours, minutes, seconds = clock.groups()
        return 3600 * float(hours or 0) + 60 * float(minutes) + float(seconds)
    span = re.fullmatch(_SPAN, text.lower())
    if span is None:
        raise ArgumentTypeError(f"invalid duration {text!r} (examples: 90, 1:30, 1:02:03, 2h)")
    seconds, number, unit = span.groups()
    return float(number) * _SECONDS[unit] if unit else float(seconds)


def link_lifetime(text: str) -> int:
    """Return whole seconds, as long as a link may live."""
    life_s = duration(text)
    if not (1 <= life_s <= _LINK_LIMIT_S and life_s.is_integer()):
        raise ArgumentTypeError(f"invalid lifetime {text!r} (from 1s to 7d; examples: 90m, 2h)")
    return int(life_s)


def part_name(text: str) -> str:
    """Return the name of a part of an asset."""
    from audiostore.asset import PARTS  # noqa: PLC0415  (not for --help)

    return _one_of(text, list(PARTS))


def attached_part(text: str) -> str:
    """Return the name of a part that users attach."""
    from audiostore.asset import PARTS  # noqa: PLC0415  (not for --help)

    return _one_of(text, [part.name for part in PARTS.values() if part.is_attached])


def marked_part(text: str) -> str:
    """Return the name of a part that an asset does not need: derived from it, or attached to it."""
    from audiostore.asset import PARTS  # noqa: PLC0415  (not for --help)

    return _one_of(text, [part.name for part in PARTS.values() if part.is_marked])


def _one_of(text: str, names: list[str]) -> str:
    if text not in names:
        raise ArgumentTypeError(f"invalid part {text!r} (choose from {', '.join(names)})")
    return text


def moment(text: str) -> datetime:
    """Return the start of a day, or a time of a day, as UTC; in UTC unless it names a zone."""
    from datetime import UTC, datetime  # noqa: PLC0415  (not for --help)

    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f"invalid date {text!r} (examples: 2026-01-31, 2026-01-31T18:00+01:00)"
        ) from None
