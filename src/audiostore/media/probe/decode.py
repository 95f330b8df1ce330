"""Decoding of every frame of an audio file."""

from fractions import Fraction

import av.error

from audiostore.errors import UnplayableAudioError
from audiostore.media.formats import format_named
from audiostore.media.info import AudioInfo, DecodedInfo
from audiostore.media.parsing.mpeg import mpeg_length
from audiostore.media.parsing.reading import Seekable
from audiostore.media.parsing.tags import begins_trailing_tag
from audiostore.media.probe.describe import read_audio
from audiostore.media.probe.open import OpenAudio, open_audio

_MAX_PROBLEMS = 5
_GAP_S = 0.1
_MAX_JUNK_BYTES = 16 << 10
"""Padding and unknown tags of up to this size may follow the last frame."""
_MPEG_CODECS = ("mp3", "mp2")


def decode_frames(stream: Seekable, format_name: str) -> DecodedInfo:
    """Decode an open audio file from its first frame to its last.

    Args:
        stream: the file, seekable and unbuffered.
        format_name: the name of the format that it was recognised as.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, frames that do not decode, sound
            that is missing in between, or another duration than the file states: with the seconds
            where.
        OSError: the file cannot be read.
    """
    info = read_audio(stream, format_name, artwork=False)
    with open_audio(stream, format_named(format_name)) as file:
        return _decode(file, info)


def _decode(file: OpenAudio, info: AudioInfo) -> DecodedInfo:
    audio = file.audio
    context = audio.codec_context
    # Makes FFmpeg report what it would else conceal: a wrong checksum, a damaged frame.
    context.options = {"err_detect": "crccheck+explode"}
    context.thread_count = 1
    decoded = _Decoded(info.sample_rate_hz)
    try:
        for packet in file.container.demux(audio):
            data = bytes(packet) if info.codec in _MPEG_CODECS else b""
            try:
                if len(data) < mpeg_length(data, 0):  # FFmpeg conceals the missing end
                    decoded.fail("ends within a frame")
                for frame in context.decode(packet):
                    decoded.add(frame.samples, frame.sample_rate, frame.pts, frame.time_base)
            except av.error.EOFError:
                break
            except av.error.FFmpegError as error:
                what = f"does not decode ({error.strerror or error})"
                if data and not _begins_mpeg_frame(data):
                    decoded.skip(what, data)
                else:
                    decoded.fail(what)
    except av.error.FFmpegError as error:
        decoded.fail(f"cannot be read any further ({error.strerror or error})")
    decoded.end()
    if decoded.problems:
        raise UnplayableAudioError("its sound " + "; ".join(decoded.problems))
    if decoded.samples == 0:
        raise UnplayableAudioError("it holds no sound: decoding it gives none")
    _compare(decoded.seconds, info)
    return DecodedInfo(
        duration_s=round(decoded.seconds, 6),
        samples=decoded.samples,
        sample_rate_hz=info.sample_rate_hz,
        channels=info.channels,
    )


def _compare(seconds: float, info: AudioInfo) -> None:
    # PCM and FLAC decode to their exact length; other decoders add or drop a few frames.
    lossless = info.codec.startswith(("pcm_", "flac"))
    allowed = 0.01 if lossless else max(0.1, min(0.5, 0.01 * info.duration_s))
    if info.duration_is_exact and abs(seconds - info.duration_s) > allowed:
        how = "it was cut short" if seconds < info.duration_s else "its header is wrong"
        raise UnplayableAudioError(
            f"its sound lasts {seconds:.2f} s, not {info.duration_s:.2f} s as stated: {how}"
        )


def _begins_mpeg_frame(packet: bytes) -> bool:
    return len(packet) >= 4 and packet[0] == 0xFF and packet[1] & 0xE0 == 0xE0


class _Decoded:
    """What the decoder returned, and where it failed."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._ends_s: float | None = None
        self._junk: list[tuple[str, bytes]] = []
        self.samples = 0
        self.seconds = 0.0
        self.problems: list[str] = []

    def skip(self, what: str, junk: bytes) -> None:
        """Note bytes that are not a frame: a problem if sound follows, or if they are many."""
        self._junk.append((what, junk))

    def end(self) -> None:
        """Check what follows the last frame: tags may, and a little padding."""
        size = sum(len(junk) for _, junk in self._junk)
        if size > _MAX_JUNK_BYTES and not begins_trailing_tag(self._junk[0][1]):
            self.fail(f"is followed by {size:,} bytes that are not sound")

    def add(self, samples: int, rate: int, pts: int | None, base: Fraction | None) -> None:
        for what, _ in self._junk:
            self.fail(what)
        self._junk.clear()
        if pts is not None and base:
            starts_s = float(pts * base)
            if self._ends_s is not None and starts_s - self._ends_s > _GAP_S:
                self.fail(f"misses {starts_s - self._ends_s:.2f} s")
            self._ends_s = starts_s + samples / (rate or self._rate)
        self.samples += samples
        self.seconds += samples / (rate or self._rate)

    def fail(self, what: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(f"{what} at {self.seconds:.1f} s")
        elif len(self.problems) == _MAX_PROBLEMS:
            self.problems.append("and more")
