"""Text of files of unknown origin, made safe to store and to show."""

from typing import Final

from audiostore.patterns import pattern

MAX_TAGS: Final = 64
MAX_TAG_CHARS: Final = 1_000
CODE_PAGES: Final = {number: f"cp{number}" for number in (932, *range(1250, 1259))}
"""By the numbers that Windows gives them."""
CODECS: Final = (*CODE_PAGES.values(), "mac-roman", "shift-jis", "utf-16-be", "utf-16-le")
"""What text may be encoded in: to be loaded before a sandbox worker can load nothing any more."""
MAX_TEXT_BYTES: Final = 4 << 10
"""What so many characters take at most."""
MAX_KEY_CHARS: Final = 64
MAX_CHAPTERS: Final = 1_000
MAX_WARNINGS: Final = 16

_DROPPED = frozenset(range(0x20)) | frozenset(range(0x7F, 0xA0)) | {0x200E, 0x200F, 0xFEFF}
_DROPPED |= frozenset(range(0x202A, 0x202F)) | frozenset(range(0x2066, 0x206A))
_DROPPED |= frozenset(range(0xD800, 0xE000))
_CLEAN: dict[int, str | None] = {
    **dict.fromkeys(_DROPPED, None),
    **dict.fromkeys((0x09, 0x0A, 0x0D, 0x85, 0x2028, 0x2029), " "),
}
"""Drops control characters and those that change the direction of text; breaks become spaces."""


def clean(text: str, limit: int) -> str:
    """Return text on one line, without control characters, of at most `limit` characters."""
    cut = text[: 4 * limit]
    if not cut.isprintable():  # of what is printable, nothing is dropped, and to find out is quick
        cut = cut.translate(_CLEAN)
    cut = cut.strip()
    return cut if len(cut) <= limit else cut[: limit - 1].rstrip() + "…"


_UNDEFINED = {0xDC00 + byte: byte for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
"""Control characters, as in Latin-1."""
_RARE = pattern(rb"[\x81\x83\x86-\x89\x8b\x8d\x8f\x90\x98\x9b\x9d]")


def decode_8_bit(data: bytes) -> str:
    """Return text of an encoding that is not stated, or not to be trusted.

    UTF-8, if most of its letters are valid (one may be cut in two); else Windows-1252, which is
    Latin-1 with letters where Latin-1 has control characters.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    letters = sum(character > "\x7f" for character in text)
    if 2 * text.count("\ufffd") <= letters:
        return text.rstrip("\ufffd")
    return data.decode("cp1252", "surrogateescape").translate(_UNDEFINED)


def looks_misread(data: bytes) -> bool:
    """Say whether `decode_8_bit` guesses wrong: text in another encoding (Shift-JIS, GBK …).

    It is not UTF-8, and has bytes that hardly ever occur in Windows-1252.
    """
    return (
        not data.isascii()
        and bool(_RARE.search(data))
        and not data.startswith(decode_8_bit(data).encode())
    )
