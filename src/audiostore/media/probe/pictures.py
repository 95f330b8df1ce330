"""Artwork that is embedded in an audio file."""

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from audiostore.errors import InvalidImageError
from audiostore.media.images import MAX_IMAGE_BYTES, identify_image
from audiostore.media.info import Artwork
from audiostore.media.probe.open import ffmpeg_errors, is_picture

_MAX_PICTURES = 16


def read_pictures(container: InputContainer) -> "list[Packet[Stream]] | None":
    """Return the embedded pictures, the front cover first; None if the file has none."""
    kinds = {
        s.index: s.metadata.get("comment", "").lower()
        for s in container.streams.video
        if is_picture(s.disposition)
    }
    if not kinds:
        return None
    found: list[Packet[Stream]] = []
    # FFmpeg returns attached pictures before everything else.
    with ffmpeg_errors():
        for packet in container.demux():
            if packet.stream.index not in kinds or len(found) >= _MAX_PICTURES:
                break
            found.append(packet)
    return sorted(found, key=lambda packet: kinds[packet.stream.index] != "cover (front)")


def choose_artwork(pictures: "list[Packet[Stream]] | None") -> tuple[Artwork | None, str | None]:
    """Return the first valid picture; without one, what is wrong with the first."""
    if pictures is None:
        return None, None
    problem = "its embedded picture cannot be read"
    for index, picture in enumerate(pictures):
        if not 0 < picture.size <= MAX_IMAGE_BYTES:
            reason = f"the image is empty, or larger than {MAX_IMAGE_BYTES:,} bytes"
        else:
            data = bytes(picture)
            try:
                return Artwork(data, identify_image(data)), None
            except InvalidImageError as error:
                reason = str(error)
        if index == 0:
            problem = f"its embedded picture is not usable: {reason}"
    return None, problem
