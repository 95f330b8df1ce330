"""Small audio files of each format, and of kinds that are not stored, made when asked for.

A format's samples are in its module in ``formats``, which is discovered.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import BinaryIO

from audiostore.media.kinds import Format
from audiostore.media.recognition import identify, require_audio, require_image
from tests.audio_samples import formats
from tests.audio_samples.formats.aac import adif
from tests.audio_samples.impostors import IMPOSTORS
from tests.audio_samples.making import (
    ID3V1,
    INFO,
    LYRICS3,
    PCM_FMT,
    Sample,
    ape,
    box,
    encode,
    id3,
    ogg_changed,
    ogg_page,
    ogg_pages,
    riff,
)

__all__ = [
    "AUDIO",
    "ID3V1",
    "IMPOSTORS",
    "INFO",
    "LYRICS3",
    "PCM_FMT",
    "adif",
    "ape",
    "box",
    "encode",
    "id3",
    "ogg_changed",
    "ogg_page",
    "ogg_pages",
    "recognise_audio",
    "recognise_image",
    "riff",
    "sample",
]

AUDIO: Mapping[str, Sample] = {
    name: made
    for module in iter_modules(formats.__path__)
    for name, made in import_module(f"{formats.__name__}.{module.name}").SAMPLES.items()
}
"""By name."""


@cache
def sample(name: str) -> bytes:
    """Return the bytes of one of the samples."""
    return (AUDIO.get(name) or IMPOSTORS[name])[2]()


def recognise_audio(name: str, stream: BinaryIO, *, fix_extension: bool = False) -> Format:
    """Return the format of an audio file of this name and content."""
    return require_audio(name, identify(stream), fix_extension=fix_extension).format


def recognise_image(name: str, stream: BinaryIO, *, fix_extension: bool = False) -> Format:
    """Return the format of an image file of this name and content."""
    return require_image(name, identify(stream), fix_extension=fix_extension).format
