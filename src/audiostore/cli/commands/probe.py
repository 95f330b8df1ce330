"""Show what audio files contain, and whether they can be stored."""

from __future__ import annotations

import audiostore
from audiostore.cli.declare import CheckOptions, JsonOptions, arguments
from audiostore.cli.failures import as_typed, located, sentence
from audiostore.cli.output import escape, human_size, print_json, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.asset import PreparedFile
    from audiostore.media import AudioInfo

GROUP = "store and fetch"
EXAMPLE = "audiostore probe --check full *.mp3"


class Options(CheckOptions, JsonOptions):
    """Options of `probe`."""

    files: tuple[str, ...] = arguments("FILE", "an audio file", required=True, files="audio")


def run(options: Options) -> int:
    """Inspect the files as `put` does; 1 if one of them cannot be stored."""
    from audiostore.ingest import UploadOptions, prepare_audio  # noqa: PLC0415  (not for --help)

    upload = UploadOptions(check=options.check, fix_extension=options.fix_extension)
    if options.max_size is not None:
        upload = UploadOptions.of(upload, max_size_bytes=options.max_size)
    code = 0
    for number, path in enumerate(options.files):
        try:
            with prepare_audio(path, upload) as item:
                pass
        except (audiostore.AudioStoreError, OSError) as error:
            code = 1
            reason = sentence(error).replace("--check none", "'audiostore put --check none'")
            if options.json:
                print_json({"file": path, "storable": False, "reason": reason})
            else:
                say("error", located(path, reason))
            continue
        if options.json:
            facts = item.info.to_dict() if item.info else {}
            fields = {"file": path, "storable": True, "content_type": item.content_type}
            print_json({**fields, **facts, "warnings": item.warnings})
        else:
            print(("\n" if number else "") + inside_block(path, item), flush=True)
        for warning in item.warnings:
            say("warning", as_typed(warning))
    return code


def inside_block(path: str, item: PreparedFile) -> str:
    """Return a file as text: its name, then its facts, one per line."""
    size = ("size", human_size(item.source.size_bytes))
    if item.info is None:
        facts = [("format", f"{item.format_name} ({item.content_type})"), size]
    else:
        facts = _facts(item.content_type, item.info, size)
    width = max(len(name) for name, _ in facts)
    lines = [f"  {name:{width}}  {escape(value)}" for name, value in facts]
    return "\n".join([escape(path), *lines])


def _facts(content_type: str, info: AudioInfo, size: tuple[str, str]) -> list[tuple[str, str]]:
    about = "" if info.duration_is_exact else "about "
    sound = [f"{info.sample_rate_hz} Hz", _channels(info.channels)]
    if info.bits_per_sample:
        sound.append(f"{info.bits_per_sample} bit")
    if info.bitrate_bps:
        sound.append(f"{info.bitrate_bps / 1000:.0f} kbit/s")
    facts = [
        ("format", f"{info.container}, {info.codec} ({content_type})"),
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
