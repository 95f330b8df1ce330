"""Tags of MP4 that no player can take for anything else (see `mp4_tags`, which reads them)."""

from audiostore.media.parsing.boxes import FULL, Box
from audiostore.media.parsing.reading import Reader, big
from audiostore.media.parsing.usual_boxes import FREE, require, usual_boxes

_HANDLER = 24
"""A version, flags, two types, and 12 bytes more."""
_COPYRIGHT_SIGN = b"\xa9"
_TEXTS = frozenset(b"name titl auth perf albm dscp cprt date tagc Xtra chpl".split())
_ITEMS = frozenset(
    b"---- aART akID apID atID catg cmID cnID cpil cprt desc disk egid flvr geID gnre hdvd keyw"
    b" ldes ownr pcst pgap plID purd purl rate rtng sfID shwm soaa soal soar soco sonm sosn stik"
    b" tmpo trkn tven tves tvnn tvsh tvsn xid".split()
)  # fmt: skip
_COVER, _MOST_COVERS = b"covr", 16


def require_usual_tags(reader: Reader, udta: Box, *, is_of_track: bool = False) -> None:
    """Raise `UnusualBoxError` unless user data hold texts, chapters and iTunes' list alone.

    Args:
        reader: the file.
        udta: the user data.
        is_of_track: whether they are those of a track, where there is no list.
    """
    for box in usual_boxes(reader, udta):
        if box.type == b"meta":
            require(not is_of_track)
            _require_usual_list(reader, box)
        elif box.type.startswith(_COPYRIGHT_SIGN):
            size = box.end - box.start
            require(size <= 4 or big(reader.at(box.start, 2), 0, 2) + 4 <= size)
        else:
            require(box.type in _TEXTS or box.type in FREE)


def _require_usual_list(reader: Reader, meta: Box) -> None:
    """Look at the list in which iTunes has its tags: after a handler that is not QuickTime's."""
    require(reader.at(meta.start + FULL + 4, 4) == b"hdlr")
    for number, box in enumerate(usual_boxes(reader, meta._replace(start=meta.start + FULL))):
        if box.type == b"hdlr":
            require(number == 0, box.end - box.start >= _HANDLER)
            require(reader.at(box.start + FULL + 4, 4) != b"mdta")
        elif box.type == b"ilst":
            _require_usual_items(reader, box)
        else:
            require(box.type in FREE)


def _require_usual_items(reader: Reader, ilst: Box) -> None:
    covers = 0
    for item in usual_boxes(reader, ilst):
        is_named = item.type.startswith(_COPYRIGHT_SIGN) or item.type.rstrip() in _ITEMS
        if item.type == _COVER:
            for data in usual_boxes(reader, item):
                covers += 1
                require(data.type in (b"data", *FREE, b"name"), data.end - data.start > 8)
        else:
            require(is_named or item.type in FREE)
    require(covers <= _MOST_COVERS)
