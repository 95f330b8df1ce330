"""Tags, chapters and attached pictures of WebM."""

import io

from audiostore.media.parsing.embedded import Part
from audiostore.media.parsing.matroska_tags import read_matroska_tags
from audiostore.media.parsing.reading import Reader

IMAGE = b"\xff\xd8\xff\xe0 an image"


def element(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind.to_bytes((kind.bit_length() + 7) // 8) + (len(body) | 1 << 28).to_bytes(4) + body


def simple(name: str, value: str, *inner: bytes) -> bytes:
    return element(0x67C8, element(0x45A3, name.encode()), element(0x4487, value.encode()), *inner)


def tag(*parts: bytes, track: int = 0, kind: str = "", chapter: int = 0, level: int = 0) -> bytes:
    targets = element(0x63C5, bytes([track])) if track else b""
    targets += element(0x63CA, kind.encode()) if kind else b""
    targets += element(0x68CA, bytes([level])) if level else b""
    targets += element(0x63C4, bytes([chapter])) if chapter else b""
    return element(0x7373, element(0x63C0, targets), *parts)


def chapter(start_s: int, title: str, end_s: int | None = None) -> bytes:
    times = element(0x91, (start_s * 10**9).to_bytes(8))
    times += element(0x92, (end_s * 10**9).to_bytes(8)) if end_s is not None else b""
    return element(0xB6, times, element(0x80, element(0x85, title.encode())))


def test_all_values_chapters_and_pictures_are_read_before_and_after_the_sound() -> None:
    info = element(0x1549A966, element(0x7BA9, b"One"))
    track = element(0xAE, element(0x73C5, b"\7"), element(0x83, b"\2"), element(0x536E, b"Mono"))
    tracks = element(0x1654AE6B, track)
    chapters = element(0x1043A770, element(0x45B9, chapter(0, "A", 2), chapter(3, "B")))
    files = element(0x1941A469, element(0x61A7, element(0x466E, b"x.jpg"), element(0x465C, IMAGE)))
    tags = element(
        0x1254C367,
        tag(simple("ARTIST", "Ada"), simple("ARTIST", "Grace"), simple("PART_NUMBER", "3")),
        tag(simple("ORIGINAL", "yes", simple("URL", "here")), kind="ALBUM"),
        tag(simple("TITLE", "Album"), simple("DATE", "2020"), level=50),
        tag(simple("MOOD", "calm"), track=7),
        tag(simple("TITLE", "of a chapter"), chapter=1),
        tag(simple("TITLE", "of another track"), track=9),
    )
    before = info + tracks + chapters + files
    cluster = element(0x1F43B675, bytes(100))

    def seek_head(position: int) -> bytes:
        position_of = element(0x53AC, position.to_bytes(4))
        return element(0x114D9B74, element(0x4DBB, element(0x53AB, tags[:4]), position_of))

    where = len(seek_head(0)) + len(before) + len(cluster)
    data = (
        b"before"
        + element(0x1A45DFA3)
        + element(0x18538067, seek_head(where), before, cluster, tags)
    )
    reader = Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)
    own, of_album, whole, of_track, names = read_matroska_tags(reader, 6)
    assert whole.tags == [("title", "One")]
    assert of_album.tags == [("album", "Album"), ("DATE", "2020")]
    assert own.tags == [
        ("ARTIST", "Ada"),
        ("ARTIST", "Grace"),
        ("PART_NUMBER", "3"),
        ("ALBUM/ORIGINAL", "yes"),
        ("ALBUM/ORIGINAL/URL", "here"),
    ]
    assert (of_track.tags, names.tags) == ([("MOOD", "calm")], [("title", "Mono")])
    assert whole.chapters == [Part(0.0, 2.0, "A"), Part(3.0, None, "B")]
    assert [each.data for each in whole.pictures] == [IMAGE]
