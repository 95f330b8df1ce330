"""What is inside an audio file, looked up and written down for people."""

from pathlib import Path

from audiostore.asset import PreparedFile
from audiostore.cli.output import escape, human_size
from audiostore.ingest import CheckLevel, UploadOptions, prepare_audio
from audiostore.media import AudioInfo, probe_audio


def examine(
    path: str, check: CheckLevel, *, fix_extension: bool
) -> tuple[PreparedFile, AudioInfo | None]:
    """Look at a file as `put` would, and inside unless nothing is to be checked.

    Raises:
        AudioStoreError, OSError: it could not be stored.
    """
    options = UploadOptions(check=check, fix_extension=fix_extension)
    with prepare_audio(path, options) as item:
        if check == "none":
            return item, None
        return item, probe_audio(Path(path), item.format_name)


def inside_block(path: str, item: PreparedFile, info: AudioInfo | None) -> str:
    """Return a few lines about a file: its name, then its facts, one a line."""
    size = ("size", human_size(item.source.size_bytes))
    if info is None:
        facts = [("format", f"{item.format_name} ({item.content_type})"), size]
    else:
        facts = _facts(item, info, size)
    width = max(len(name) for name, _ in facts)
    lines = [f"  {name:{width}}  {escape(value)}" for name, value in facts]
    return "\n".join([escape(path), *lines])


def _facts(item: PreparedFile, info: AudioInfo, size: tuple[str, str]) -> list[tuple[str, str]]:
    about = "" if info.duration_is_exact else "about "
    sound = [f"{info.sample_rate_hz} Hz", _channels(info.channels)]
    if info.bits_per_sample:
        sound.append(f"{info.bits_per_sample} bit")
    if info.bitrate_bps:
        sound.append(f"{info.bitrate_bps / 1000:.0f} kbit/s")
    facts = [
        ("format", f"{info.container}, {info.codec} ({item.content_type})"),
        ("duration", about + _duration(info.duration_s)),
        ("sound", ", ".join(sound)),
        size,
        *info.tags.items(),
    ]
    if info.chapters:
        facts.append(("chapters", str(len(info.chapters))))
    if info.artwork:
        image = info.artwork.info
        facts.append(("artwork", f"{image.format_name}, {image.width} x {image.height} pixels"))
    if info.artwork_problem:
        facts.append(("artwork", f"not usable: {info.artwork_problem}"))
    return facts


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")
