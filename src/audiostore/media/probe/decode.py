"""Decoding of every frame of an audio file."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

import av.error
from av.audio.frame import AudioFrame

from audiostore.errors import UnplayableAudioError
from audiostore.media.formats import format_named
from audiostore.media.info import DecodedInfo
from audiostore.media.kinds import View
from audiostore.media.parsing.mpeg import mpeg_length
from audiostore.media.parsing.reading import Seekable
from audiostore.media.probe.describe import Sound, open_sound
from audiostore.media.probe.open import OpenAudio, open_audio

_GAP_S = 0.1
_EXACT_S = 0.01
_FEW_FRAMES = 3
"""By so many, decoders give more or less than a file counts: its first and last are cropped."""
_MPEG_CODECS = ("mp3", "mp2")


class FrameListener(Protocol):
    """Gets every frame of a file as it is decoded."""

    def add(self, frame: AudioFrame) -> None:
        """Take the next frame, which others get as well: do not change it.

        Its rate, its channels and the format of its samples may differ from those of the one
        before, and its time may begin anew.
        """
        ...


def decode_frames(stream: Seekable, format_name: str) -> DecodedInfo:
    """Decode an open audio file from its first frame to its last.

    Args:
        stream: the file, seekable and unbuffered.
        format_name: the name of the format that it was recognised as.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded, or frames that do not decode, with
            the seconds where.
        OSError: the file cannot be read.
    """
    decoded, problems = listen_to_frames(stream, format_name)
    if problems:
        raise UnplayableAudioError(f"its sound {problems}")
    return decoded


def listen_to_frames(
    stream: Seekable, format_name: str, *listeners: FrameListener
) -> tuple[DecodedInfo, str]:
    """Decode an open audio file from its first frame to its last, and let others have the frames.

    Args:
        stream: the file, seekable and unbuffered.
        format_name: the name of the format that it was recognised as.
        *listeners: what gets each frame. They must handle their own errors.

    Returns:
        What was decoded; and what is wrong with the sound, as the rest of a sentence about it, with
        the seconds where. "" if nothing is.

    Raises:
        UnplayableAudioError: no sound in it that can be decoded.
        OSError: the file cannot be read.
    """
    kind = format_named(format_name)
    with open_audio(stream, kind) as file:
        sound = open_sound(file, kind)
        length, decoded = sound.length, _Decoded(sound.header.rate_hz, listeners)
        parts = kind.parts(file.reader(), file.recognised) if kind.parts else ()
        others: Sequence[View | None] = parts or ([None] if file.is_read else [])
        if not others:
            _decode(file, sound, decoded)
    for part in others:
        decoded.begin_part()
        with open_audio(stream, kind, part=part) as file:
            _decode(file, sound, decoded)
    problems = decoded.failed.texts()
    if kind.find_damage and (damage := kind.find_damage(file.reader(), file.recognised.offset)):
        problems += [damage, *decoded.gaps()]
    missing_s = length.seconds - decoded.seconds if length.is_exact else 0.0
    if kind.frames_are_numbered and missing_s > _EXACT_S:
        problems.append(f"misses {missing_s:.2f} s: damaged frames were skipped")
    seconds, warnings = _duration(decoded, sound)
    if seconds < length.seconds and warnings:  # what is not a frame stands where frames were
        problems += decoded.skipped.texts()
    if decoded.samples == 0:
        raise UnplayableAudioError(
            "its sound " + "; ".join(problems)
            if problems
            else "it holds no sound: decoding it gives none"
        )
    info = DecodedInfo(
        duration_s=round(seconds, 6),
        samples=decoded.samples,
        sample_rate_hz=sound.header.rate_hz,
        channels=sound.header.channels,
        warnings=(*warnings, *decoded.gaps()),
    )
    return info, "; ".join(problems)


def _decode(file: OpenAudio, sound: Sound, decoded: "_Decoded") -> None:
    audio = file.audio
    context = audio.codec_context
    # Makes FFmpeg report what it would else conceal: a wrong checksum, a damaged frame. Tools that
    # edit the metadata in frames of AC-3 leave the checksum as it was, and players ignore it.
    checks_crc = sound.header.codec not in ("ac3", "eac3")
    context.options = {"err_detect": "crccheck+explode" if checks_crc else "explode"}
    context.thread_count = 1
    # All frames have that of their stream; each would make another fraction of it.
    base = (audio.time_base or Fraction(0)).as_integer_ratio()
    is_mpeg = sound.header.codec in _MPEG_CODECS
    is_mp3 = file.recognised.format.demuxer == "mp3"  # else, the container marks the packets
    try:
        for packet in file.container.demux(audio):
            data = bytes(packet) if is_mpeg else b""
            is_short = is_mpeg and len(data) < mpeg_length(data, 0)
            try:
                if is_short and is_mp3:  # FFmpeg conceals the missing end
                    decoded.failed.note("ends within a frame", decoded.seconds)
                for frame in context.decode(packet):
                    decoded.add(frame, *base)
            except av.error.EOFError:
                break
            except av.error.FFmpegError as error:
                what = f"does not decode ({error.strerror or error})"
                # Tags or junk between frames, and the rest of a frame in a container's last packet,
                # are not frames.
                is_frame = not data or (_begins_mpeg_frame(data) and not is_short)
                places = decoded.failed if is_frame else decoded.skipped
                places.note(what, decoded.seconds)
    except av.error.FFmpegError as error:
        # After all the sound that was counted, there is nothing to read.
        missing_s = sound.length.seconds - decoded.seconds
        if not sound.length.is_exact or missing_s > decoded.longest_frame_s:
            what = f"cannot be read any further ({error.strerror or error})"
            decoded.failed.note(what, decoded.seconds)


def _duration(decoded: "_Decoded", sound: Sound) -> tuple[float, tuple[str, ...]]:
    """Return how long the sound lasts, and what is wrong with the duration that the file states.

    What it counts is more exact, as decoders add or drop a few frames: PCM and FLAC alone decode to
    their exact length. It may count gaps in the sound, or not.
    """
    lasts_s, stated_s = decoded.seconds + decoded.gap_s, sound.length.seconds
    if not sound.length.is_exact:
        return lasts_s, ()
    allowed_s = _EXACT_S
    if not sound.header.codec.startswith(("pcm_", "flac")):
        allowed_s = max(0.1, min(0.5, 0.01 * stated_s), _FEW_FRAMES * decoded.longest_frame_s)
    if min(abs(each - stated_s) for each in (lasts_s, decoded.seconds)) <= allowed_s:
        return stated_s, ()
    return lasts_s, (f"has {lasts_s:,.2f} s of sound, not {stated_s:,.2f} s as it states",)


def _begins_mpeg_frame(packet: bytes) -> bool:
    return len(packet) >= 4 and packet[0] == 0xFF and packet[1] & 0xE0 == 0xE0


class _Places:
    """Where each kind of problem begins, and how often it occurs."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, int]] = {}

    def note(self, what: str, at_s: float) -> None:
        """Note a problem at this point."""
        first_s, count = self._found.get(what, (at_s, 0))
        self._found[what] = first_s, count + 1

    def texts(self) -> list[str]:
        """Return each kind of problem once, with the second of its first place."""
        return [
            f"{what} at {first_s:.1f} s{f': the first of {count:,} places' if count > 1 else ''}"
            for what, (first_s, count) in self._found.items()
        ]


class _Decoded:
    """What the decoder returned, and where it failed."""

    def __init__(self, rate: int, listeners: Sequence[FrameListener]) -> None:
        self._rate = rate
        self._listeners = listeners
        self._ends_s: float | None = None
        self._gaps: list[tuple[float, float]] = []
        self.samples = 0
        self.seconds = self.gap_s = self.longest_frame_s = 0.0
        self.failed = _Places()
        self.skipped = _Places()
        """Bytes that are not frames."""

    def begin_part(self) -> None:
        """Note that the times of the next frames begin anew."""
        self._ends_s = None

    def add(self, frame: AudioFrame, num: int, den: int) -> None:
        """Count a decoded frame, whose time is in units of `num / den` seconds."""
        for listener in self._listeners:
            listener.add(frame)
        samples, pts = frame.samples, frame.pts
        lasts_s = samples / (frame.sample_rate or self._rate)
        self.longest_frame_s = max(self.longest_frame_s, lasts_s)
        if pts is not None and num:
            starts_s = pts * num / den
            missing_s = starts_s - self._ends_s if self._ends_s is not None else 0.0
            if missing_s > max(_GAP_S, self.longest_frame_s):
                self._gaps.append((missing_s, self.seconds + self.gap_s))
                self.gap_s += missing_s
            self._ends_s = starts_s + lasts_s
        self.samples += samples
        self.seconds += lasts_s

    def gaps(self) -> tuple[str, ...]:
        """Say where the times of the frames leave room in between, which players bridge."""
        if not self._gaps:
            return ()
        longest_s, at_s = max(self._gaps)
        more = f": the longest of {len(self._gaps):,} gaps" if len(self._gaps) > 1 else ""
        return (f"has a gap of {longest_s:,.2f} s in its sound at {at_s:,.1f} s{more}",)
