"""What FFmpeg finds in the tags of a format that does not read them itself."""

import codecs
from collections.abc import Iterator
from functools import partial

from audiostore.media.parsing.embedded import OTHER, Embedded, Part, UnreadPicture
from audiostore.media.parsing.text import CODECS
from audiostore.media.probe.open import OpenAudio, ffmpeg_errors, is_picture

for _codec in CODECS:
    codecs.lookup(_codec)

_MAX_PICTURES = 64
# FFmpeg's words for the types of pictures that are better or worse than others.
_TYPES = {
    "32x32 pixels 'file icon'": 1,
    "other file icon": 2,
    "cover (front)": 3,
    "cover (back)": 4,
    "artist/performer": 8,
}


def read_by_ffmpeg(file: OpenAudio) -> Iterator[Embedded]:
    """Yield what the tags hold, those first that count most."""
    container = file.container
    whole = Embedded(tags=list(container.metadata.items()))
    for chapter in container.chapters():
        base = chapter["time_base"] or 0
        start_s, end_s = float(chapter["start"] * base), float(chapter["end"] * base)
        whole.chapters.append(Part(start_s, end_s, chapter["metadata"].get("title", "")))
    types = {
        s.index: _TYPES.get(s.metadata.get("comment", "").lower(), OTHER)
        for s in container.streams.video
        if is_picture(s.disposition)
    }
    # FFmpeg returns attached pictures before everything else.
    with ffmpeg_errors():
        for packet in container.demux() if types else ():
            kind = types.get(packet.stream.index)
            if kind is None or len(whole.pictures) >= _MAX_PICTURES:
                break
            whole.pictures.append(UnreadPicture(packet.size, partial(bytes, packet), kind))
    yield whole
    yield Embedded(tags=list(file.audio.metadata.items()))
