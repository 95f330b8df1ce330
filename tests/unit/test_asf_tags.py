"""Tags, pictures and markers of Windows Media."""

import io
import struct

from audiostore.media.parsing.asf import guid
from audiostore.media.parsing.asf_tags import read_asf_tags
from audiostore.media.parsing.embedded import Part
from audiostore.media.parsing.reading import Reader

IMAGE = b"\xff\xd8\xff\xe0 an image"


def part(name: str, data: bytes) -> bytes:
    return guid(name) + struct.pack("<Q", 24 + len(data)) + data


def text(value: str) -> bytes:
    return value.encode("utf-16-le") + b"\0\0"


def more(*items: tuple[str, int, bytes]) -> bytes:
    found = struct.pack("<H", len(items))
    for name, kind, value in items:
        found += struct.pack("<H", len(text(name))) + text(name)
        found += struct.pack("<HH", kind, len(value)) + value
    return part("D2D0A440-E307-11D2-97F0-00A0C95EA850", found)


def library(*items: tuple[str, int, bytes]) -> bytes:
    found = struct.pack("<H", len(items))
    for name, kind, value in items:
        found += struct.pack("<HHHHI", 0, 0, len(text(name)), kind, len(value)) + text(name) + value
    inner = part("44231C94-9498-49D1-A141-1D134E457054", found)
    return part(
        "5FBF03B5-A92E-11CF-8EE3-00C00C205365", bytes(18) + struct.pack("<I", len(inner)) + inner
    )


def test_all_values_pictures_and_markers_are_read() -> None:
    fields = [text(each) for each in ("One", "Ada", "", "Live", "")]
    content = struct.pack("<5H", *map(len, fields)) + b"".join(fields)
    picture = b"\3" + struct.pack("<I", len(IMAGE)) + text("image/jpeg") + text("Cover") + IMAGE
    marker = struct.pack("<QQHIII", 0, 45_000_000, 28, 0, 0, 4) + text("Two")
    header = [
        library(("Author", 0, text("Grace")), ("WM/Genre", 0, text("Bop")), ("Big", 1, bytes(9))),
        part(
            "8CABDCA1-A947-11CF-8EE4-00C00C205365", bytes(56) + struct.pack("<Q", 1500) + bytes(16)
        ),
        part("75B22633-668E-11CF-A6D9-00AA0062CE6C", content),
        more(
            ("WM/AlbumTitle", 0, text("Album")),
            ("WM/TrackNumber", 3, struct.pack("<I", 7)),
            ("WM/Genre", 0, text("Jazz")),
            ("Genre", 0, text("Other")),
            ("WM/Picture", 1, picture),
        ),
        part(
            "F487CD01-A951-11CF-8EE6-00C00C205365",
            bytes(16) + struct.pack("<IHH", 1, 0, 0) + marker,
        ),
    ]
    body = b"".join(header)
    data = b"before" + guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
    data += struct.pack("<QIH", 30 + len(body), len(header), 0x201) + body
    reader = Reader(io.BytesIO(data), reads=5000, total=1 << 30, window=4 << 10)
    found, others = read_asf_tags(reader, 6)
    assert [tag for tag in found.tags if tag[1]] == [
        ("title", "One"),
        ("author", "Ada"),
        ("comment", "Live"),
        ("album", "Album"),
        ("track", "7"),
        ("genre", "Jazz"),
        ("author", "Grace"),
        ("genre", "Bop"),
    ]
    assert others.tags == [("Genre", "Other")]
    assert [(each.type, each.data) for each in found.pictures] == [(3, IMAGE)]
    assert found.chapters == [Part(3.0, None, "Two")]
