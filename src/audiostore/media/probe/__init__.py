"""What FFmpeg's libraries (PyAV) find inside an audio file: facts, tags, artwork, and its sound.

FFmpeg's parsers are C, and a crafted file of a few bytes can make some of them take seconds and
gigabytes. `audiostore.media.sandbox` runs this package in a process with limits; nothing else
imports it.
"""

from audiostore.media.probe.analyse import Analyser
from audiostore.media.probe.decode import decode_frames, listen_to_frames
from audiostore.media.probe.describe import read_audio
from audiostore.media.probe.encode import Encoder

__all__ = ["Analyser", "Encoder", "decode_frames", "listen_to_frames", "read_audio"]
