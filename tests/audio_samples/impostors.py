"""Files that are not what their names say, and of kinds that audiostore does not store."""

from collections.abc import Callable, Mapping

from tests.audio_samples.formats import mp4
from tests.audio_samples.making import box, encode, ogg_page

# Name -> (the extension that it goes under, its description, how to make it).
IMPOSTORS: Mapping[str, tuple[str, str, Callable[[], bytes]]] = {
    "film in mp4": (
        ".m4a",
        r"is video \(H.264 with sound\): only audio is stored",
        lambda: encode("mp4", "aac", video="libx264"),
    ),
    "silent film in mp4": (
        ".m4a",
        r"is video \(MPEG-4\): only audio",
        lambda: encode("mp4", None, video="mpeg4"),
    ),
    "pictures in mp4": (
        ".m4a",
        "is MP4 data without a sound track",
        lambda: encode("mp4", None, video="mjpeg"),
    ),
    "protected mp4": (
        ".m4a",
        "copy-protected MP4",
        lambda: mp4.SAMPLES["m4a"][2]().replace(b"mp4a", b"drms"),
    ),
    "avif": (".m4a", "is an AVIF image", lambda: box(b"ftyp", b"avif", bytes(4), b"mif1miaf")),
    "avif by its second brand": (
        ".m4a",
        "is an AVIF image",
        lambda: box(b"ftyp", b"mif1", bytes(4), b"mif1avif"),
    ),
    "heic": (".m4a", "is a HEIC image", lambda: box(b"ftyp", b"heic", bytes(4), b"mif1heic")),
    "heif": (".m4a", "is a HEIF image", lambda: box(b"ftyp", b"mif1", bytes(4), b"mif1")),
    "film in ogg": (
        ".ogg",
        r"is video \(Theora with sound\)",
        lambda: ogg_page(b"\x80theora" + bytes(35)) + ogg_page(b"\x01vorbis" + bytes(23), serial=2),
    ),
    "unknown ogg": (
        ".ogg",
        "Ogg data without a known audio codec",
        lambda: ogg_page(b"\x80kate\0\0\0"),
    ),
    "film in webm": (
        ".webm",
        r"is video \(VP8 with sound\)",
        lambda: encode("webm", "libopus", video="libvpx"),
    ),
    "matroska": (".webm", "is Matroska audio, not WebM", lambda: encode("matroska", "libopus")),
    "film in wma": (
        ".wma",
        r"is video \(Windows Media with sound\)",
        lambda: encode("asf", "wmav2", video="mpeg4", bit_rate=96_000),
    ),
    "film in avi": (
        ".wav",
        r"is video \(AVI\)",
        lambda: encode("avi", "libmp3lame", video="mpeg4"),
    ),
    "transport stream": (
        ".aac",
        "is video .an MPEG transport stream",
        lambda: encode("mpegts", "aac"),
    ),
    "ac3": (".mp3", "is Dolby Digital", lambda: encode("ac3", "ac3")),
    "au": (".wav", "is Sun AU audio", lambda: encode("au", "pcm_s16be")),
    "latm": (".aac", "LATM", lambda: encode("latm", "aac")),
    "web page": (".mp3", r"is a web page \(HTML\), not MP3", lambda: b"\n<!DOCTYPE html><html>"),
    "web page after a byte order mark": (
        ".mp3",
        "is a web page",
        lambda: b"\xef\xbb\xbf<html lang='en'>",
    ),
    "svg": (".mp3", "is XML, SVG", lambda: b"<?xml version='1.0'?><svg/>"),
    "gcs error": (".mp3", "is an error message", lambda: b"<Error><Code>AccessDenied</Code>"),
    "json": (".mp3", "is JSON text", lambda: b'{"error": {"code": 404}}'),
    "pdf": (".mp3", "is a PDF document", lambda: b"%PDF-1.7\n"),
    "zip": (".mp3", "is a ZIP archive", lambda: b"PK\x03\x04...."),
    "gif": (".mp3", "is a GIF image", lambda: b"GIF89a"),
    "gzip": (".mp3", "is gzip data", lambda: b"\x1f\x8b\x08"),
    "midi": (".mp3", "is MIDI notes", lambda: b"MThd\0\0\0\6\0\1"),
    "playlist": (".mp3", r"is a playlist \(M3U\)", lambda: b"#EXTM3U\nfile:///etc/passwd\n"),
    "lfs pointer": (".mp3", "Git LFS pointer", lambda: b"version https://git-lfs.github.com/spec/"),
    "zeros": (".mp3", "is zero bytes", lambda: bytes(100_000)),
    "nothing": (".mp3", "is empty", lambda: b""),
    "text": (".mp3", "is text", lambda: b"File not found\n"),
    "noise": (".mp3", "is unknown data that begins with 01 02 03", lambda: b"\x01\x02\x03"),
    "free format": (
        ".mp3",
        "free-format bit rate",
        lambda: (b"\xff\xfb\x00\x64" + bytes(413)) * 20,
    ),
}
