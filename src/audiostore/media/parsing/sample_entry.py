"""The description of a track's samples (ISO/IEC 14496-12 sections 8.5.2 and 12.2.3).

AAC: ISO/IEC 14496-14 section 5.6, 14496-1 section 7.2.6. Opus: "Encapsulation of Opus in ISO Base
Media File Format" section 4.3.2; FLAC: the one of FLAC, section 3.3.2. ALAC: Apple's "ALAC Magic
Cookie Description".
"""

from collections.abc import Callable
from typing import NamedTuple

from audiostore.media.parsing.aac_config import begins_as_stated, parse_config
from audiostore.media.parsing.boxes import FULL, Box
from audiostore.media.parsing.flac import STREAMINFO_SIZE, StreamInfo, is_as_stated
from audiostore.media.parsing.ogg_sound import opus_channels
from audiostore.media.parsing.reading import big
from audiostore.media.parsing.usual_boxes import UnusualBoxError, require, usual_parts

_PLAIN = (b"btrt", b"pinf")
"""Boxes in a sample entry that are of no consequence: bit rates, and of whom it was bought."""
_FIXED = 36
"""A sample entry of sound in front of the boxes in it."""
_STREAM, _DECODER, _SPECIFIC = 3, 4, 5  # tags of descriptors
_AAC = (0x40, 0x67)  # object types: AAC of MPEG-4, AAC-LC of MPEG-2
_ALAC_SIZE, _ALAC_BITS = 28, (16, 20, 24, 32)
_ALAC_MOST_SAMPLES = 1 << 16
"""In a frame: usually it has 4,096."""
_OPUS_SIZE, _FLAC_SIZE = 11, 4 + 4 + STREAMINFO_SIZE


class SampleEntry(NamedTuple):
    """What the samples of a track are."""

    codec: str
    """FFmpeg's name."""
    rate_hz: int
    channels: int
    codec_header: bytes
    """FFmpeg's extradata: the configuration of AAC, the box of ALAC, an OpusHead, STREAMINFO."""
    is_right: Callable[[bytes], bool] | None = None
    """Says whether a sample with these first bytes is what the entry says; None: it may be any."""


def parse_sample_entry(data: bytes, stsd: Box) -> SampleEntry:
    """Return the one description that there is.

    Raises:
        UnusualBoxError: there is another one, or it is one of QuickTime, of another codec, or odd.
    """
    at = stsd.start + FULL + 4
    size, kind = big(data, at), data[at + 4 : at + 8]
    version = big(data, at + 16, 2)
    require(big(data, stsd.start, 1) == 0, big(data, stsd.start + FULL) == 1, version == 0)
    require(_FIXED < size <= stsd.end - at, kind in _CODECS)
    name, read = _CODECS[kind]
    inside = usual_parts(data, Box(kind, at + _FIXED, at + size), (name,), _PLAIN)
    require(name in inside)
    return read(data[inside[name].start : inside[name].end])


def _aac(esds: bytes) -> SampleEntry:
    at, _ = _descriptor(esds, FULL, _STREAM)
    require(big(esds, at + 2, 1) >> 5 == 0)  # its flags: nothing follows its number
    at, _ = _descriptor(esds, at + 3, _DECODER)
    require(big(esds, at, 1) in _AAC)
    at, size = _descriptor(esds, at + 13, _SPECIFIC)
    header = esds[at : at + size]
    config = parse_config(header)
    if config is None or len(header) < size:
        raise UnusualBoxError
    layout = config.layout
    return SampleEntry(
        "aac", config.rate_hz, config.channels, header, lambda head: begins_as_stated(head, layout)
    )


def _descriptor(data: bytes, at: int, tag: int) -> tuple[int, int]:
    """Return where the content of a descriptor begins, and its size: four times seven bits."""
    require(big(data, at, 1) == tag)
    size = 0
    for _ in range(4):
        at += 1
        byte = big(data, at, 1)
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return at + 1, size


def _alac(cookie: bytes) -> SampleEntry:
    bits, channels, rate = big(cookie, 9, 1), big(cookie, 13, 1), big(cookie, 24)
    require(len(cookie) == _ALAC_SIZE, 0 < big(cookie, 4) <= _ALAC_MOST_SAMPLES)
    require(bits in _ALAC_BITS, 1 <= channels <= 8, rate)
    header = (len(cookie) + 8).to_bytes(4, "big") + b"alac" + cookie
    return SampleEntry("alac", rate, channels, header)


def _opus(box: bytes) -> SampleEntry:
    require(len(box) >= _OPUS_SIZE, big(box, 0, 1) == 0)
    # What has more than a byte is turned round: the pre-skip, the rate, the gain.
    numbers = box[3:1:-1] + box[7:3:-1] + box[9:7:-1]
    head = b"OpusHead\1" + box[1:2] + numbers + box[10:]
    channels = opus_channels(head)
    require(channels)
    return SampleEntry("opus", 48_000, channels, head)


def _flac(box: bytes) -> SampleEntry:
    require(
        len(box) >= _FLAC_SIZE, big(box, 0, 1) == 0, big(box, 4) & 0x7FFF_FFFF == STREAMINFO_SIZE
    )
    header = box[8:_FLAC_SIZE]
    info = StreamInfo.parse(header)
    return SampleEntry(
        "flac", info.rate_hz, info.channels, header, lambda head: is_as_stated(head, info)
    )


_CODECS = {
    b"mp4a": (b"esds", _aac),
    b"alac": (b"alac", _alac),
    b"Opus": (b"dOps", _opus),
    b"fLaC": (b"dfLa", _flac),
}
