"""Write the waveform of an asset for players, or draw it."""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import StoreOptions, argument, option
from audiostore.cli.failures import UsageError
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable

    from audiostore.analysis import Waveform

GROUP = "find"
EXAMPLE = """\
audiostore waveform 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b -o song.svg
audiostore waveform 3f2b > song.json"""


class Options(StoreOptions):
    """Options of `waveform`."""

    audio_id: str = argument("ID", "ID of an asset, or the first characters of it (at least 4)")
    output: str = option(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="the file to write: .svg, .png, .json or .dat, the last two as audiowaveform writes "
        "them; '-' for JSON on standard output (default)",
        files="any",
    )


def run(options: Options) -> int:
    """Write the waveform that was made when the asset was analysed."""
    from pathlib import PurePath  # noqa: PLC0415  (not for --help)

    from audiostore.cli.saving import whole_output  # noqa: PLC0415
    from audiostore.errors import AssetNotFoundError  # noqa: PLC0415

    suffix = ".json" if options.output == "-" else PurePath(options.output).suffix.lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise UsageError(f"{options.output!r} does not end with one of {known}")
    with opened(options) as manager:
        audio_id = manager.catalog.resolve(options.audio_id)
        try:
            data = _FORMATS[suffix](manager.waveform(audio_id))
        except AssetNotFoundError as error:
            if manager.exists(audio_id):
                error.add_note(f"{hints.command('analyse', audio_id)} makes it")
            raise
    with whole_output(options.output) as stream:
        stream.write(data)
    return 0


def _json(waveform: Waveform) -> bytes:
    import json  # noqa: PLC0415  (not for --help)

    return json.dumps(waveform.to_dict(), separators=(",", ":")).encode() + b"\n"


def _svg(waveform: Waveform) -> bytes:
    from audiostore.analysis import to_svg  # noqa: PLC0415  (not for --help)

    return to_svg(waveform).encode()


def _png(waveform: Waveform) -> bytes:
    from audiostore.analysis import to_png  # noqa: PLC0415  (not for --help)

    return to_png(waveform)


def _dat(waveform: Waveform) -> bytes:
    return waveform.to_dat()


_FORMATS: dict[str, Callable[[Waveform], bytes]] = {
    ".svg": _svg,
    ".png": _png,
    ".json": _json,
    ".dat": _dat,
}
