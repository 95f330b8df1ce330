"""mutagen's names for what tags hold, as audiostore's: only those that mean the same everywhere."""

import re
from collections.abc import Iterator
from typing import Any, Final

_ID3: Final = {
    "TIT2": "title", "TPE1": "artist", "TALB": "album", "TPE2": "album_artist", "TRCK": "track",
    "TPOS": "disc", "TDRC": "date", "TCON": "genre", "TCOM": "composer", "TCMP": "compilation",
    "TSRC": "isrc", "TPE3": "conductor", "TEXT": "lyricist", "TCOP": "copyright",
    "TPUB": "publisher", "TBPM": "bpm", "TIT3": "subtitle", "COMM": "comment", "USLT": "lyrics",
}  # fmt: skip
_MP4: Final = {
    "©nam": "title", "©ART": "artist", "©alb": "album", "aART": "album_artist", "trkn": "track",
    "disk": "disc", "©day": "date", "©gen": "genre", "©wrt": "composer", "cpil": "compilation",
    "cprt": "copyright", "©cmt": "comment", "©lyr": "lyrics", "desc": "description",
}  # fmt: skip
_ASF: Final = {
    "title": "title", "author": "artist", "wm/albumtitle": "album", "copyright": "copyright",
    "wm/albumartist": "album_artist", "wm/tracknumber": "track", "wm/partofset": "disc",
    "wm/year": "date", "wm/genre": "genre", "wm/composer": "composer", "description": "comment",
    "wm/publisher": "publisher", "wm/lyrics": "lyrics",
}  # fmt: skip
_SAME: Final = (
    "title", "artist", "album", "track", "disc", "date", "genre", "composer", "isrc", "conductor",
    "lyricist", "copyright", "comment", "lyrics", "bpm", "compilation",
)  # fmt: skip
_OTHERS: Final = {
    "albumartist": "album_artist", "album artist": "album_artist", "tracknumber": "track",
    "tracktotal": "track_total", "totaltracks": "track_total", "discnumber": "disc",
    "disctotal": "disc_total", "totaldiscs": "disc_total", "year": "date",
    **{name: name for name in _SAME},
}  # fmt: skip
"""Of Vorbis comments and APEv2."""


def names_of(tags: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield what one of mutagen's tags holds: audiostore's name, the values as text."""
    if hasattr(tags, "getall"):
        return _id3(tags)
    kind = type(tags).__module__
    if kind.startswith("mutagen.mp4"):
        return _mp4(tags)
    table = _ASF if kind.startswith("mutagen.asf") else _OTHERS
    return _listed(tags, table)


def _id3(tags: Any) -> Iterator[tuple[str, list[str]]]:
    for frame, name in _ID3.items():
        for each in tags.getall(frame):
            if frame == "COMM" and each.desc:
                continue
            if frame == "TCON":
                yield name, [genre for genre in each.genres if genre != "Unknown"]
            else:
                texts = each.text if isinstance(each.text, list) else [each.text]
                yield name, [str(text) for text in texts]


def _mp4(tags: Any) -> Iterator[tuple[str, list[str]]]:
    for key, values in tags.items():
        if key in ("trkn", "disk"):
            number, total = values[0] if values else (0, 0)
            yield _MP4[key], [str(number)]
            yield f"{_MP4[key]}_total", [str(total)]
        elif key in _MP4:
            yield (
                _MP4[key],
                [str(each) for each in (values if isinstance(values, list) else [values])],
            )


def _listed(tags: Any, table: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    # The exact name counts, else the first of its aliases.
    found: dict[str, dict[str, list[str]]] = {}
    for key in tags.keys():  # noqa: SIM118 - not every mapping of mutagen's iterates over its keys
        name = table.get(key.lower())
        if name:
            values = tags[key]
            texts = [str(each) for each in values] if isinstance(values, list) else [str(values)]
            found.setdefault(name, {}).setdefault(key.lower(), texts)
    for name, by_key in found.items():
        yield name, by_key.get(name) or next(iter(by_key.values()))


def comparable(name: str, values: list[str]) -> tuple[str, ...]:
    """Return a tag's values so that two readers agree on them: of a date, the year."""
    pieces = [
        " ".join(_printable(each).split())[:900] for each in re.split("[;\0]", ";".join(values))
    ]
    if name in ("track", "disc", "track_total", "disc_total"):
        pieces = [re.sub(r"^0+(?=.)", "", each.partition("/")[0].strip()) for each in pieces]
        pieces = ["" if each == "0" else each for each in pieces]
    if name == "date":
        pieces = [each[:4] for each in pieces]
    if name == "compilation":
        pieces = ["" if each.lower() in ("0", "false", "no") else "1" for each in pieces if each]
    return tuple(dict.fromkeys(each for each in pieces if each))


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
