"""Files that people store by mistake, recognised by their first bytes, for error messages."""

from collections.abc import Callable

from audiostore.media.parsing.reading import quoted

HEAD_SIZE = 512

_MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"BZh", "bzip2 data"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\0\0\x01\0", "an icon"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"RIFX", "a big-endian WAV (RIFX), which players do not play"),
    (b"MThd", "MIDI notes"),
    (b"#!AMR", "AMR audio"),
    (b".snd", "Sun AU audio"),
    (b"wvpk", "WavPack audio"),
    (b"MAC ", "Monkey's Audio"),
    (b"MPCK", "Musepack audio"),
    (b"MP+", "Musepack audio"),
    (b"TTA1", "True Audio"),
    (b"tBaK", "TAK audio"),
    (b"OFR ", "OptimFROG audio"),
    (b"DSD ", "DSD audio"),
    (b"FRM8", "DSD audio"),
    (b"riff\x2e\x91\xcf\x11", "Wave64 audio"),
    (b"Creative Voice", "Creative Voice audio"),
    (b".RMF", "RealMedia"),
    (b"\x0b\x77", "Dolby Digital (AC-3) audio"),
    (b"\x7f\xfe\x80\x01", "DTS audio"),
    (b"FLV\x01", "video (Flash)"),
    (b"\0\0\x01\xba", "video (MPEG)"),
    (b"\0\0\x01\xb3", "video (MPEG)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not downloaded"),
    (b"#EXTM3U", "a playlist (M3U)"),
    (b"[playlist]", "a playlist (PLS)"),
)


def _begins(*texts: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.lower().startswith(texts)


# Matched after white space and a byte order mark.
_TEXT = (
    (_begins(b"<!doctype html", b"<html", b"<head", b"<body", b"<script"), "a web page (HTML)"),
    (_begins(b"<?xml", b"<svg", b"<!--", b"<!doctype"), "XML, SVG or HTML text"),
    (_begins(b"<error>"), "an error message (XML)"),
    (_begins(b"{", b"["), "JSON text"),
)

_TS_PACKET = 188


_RIFF_KINDS = {b"AVI ": "video (AVI)", b"RMID": "MIDI notes in RIFF", b"ACON": "a mouse pointer"}


def describe_foreign(head: bytes) -> str | None:
    """Describe a file that begins with these bytes; None if it is of no known kind."""
    for magic, description in _MAGIC:
        if head.startswith(magic):
            return description
    if head.startswith((b"RIFF", b"RF64", b"BW64", b"FORM")) and len(head) >= 12:
        family = "IFF" if head.startswith(b"FORM") else "RIFF"
        kind = _RIFF_KINDS.get(head[8:12]) if family == "RIFF" else None
        return kind or f"{family} data of the kind {quoted(head[8:12])}"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"pnot"):
        return "a QuickTime film without a type (ftyp)"
    if head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return "video (an MPEG transport stream)"
    if head[:1] == b"\x56" and head[1:2] >= b"\xe0":  # ISO/IEC 14496-3 1.7.2: 11 sync bits
        return "AAC in a LATM stream"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((description for matches, description in _TEXT if matches(text)), None)


def describe_unknown(head: bytes) -> str:
    """Describe bytes of no known kind."""
    if not head:
        return "empty"
    if not head.strip(b"\0"):
        return "zero bytes"
    if head.startswith(b"ID3"):
        return "a broken ID3 tag"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head) and head.isascii():
        return "text"
    return f"unknown data that begins with {head[:8].hex(' ')}"
