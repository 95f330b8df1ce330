"""Options of commands that make versions of audio which every browser plays."""

from __future__ import annotations

from audiostore.cli.declare import Declared, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.values import positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import PreviewChoice

_USUAL_KBPS = 128


class PreviewOptions(Declared):
    """Of what to make a preview, and how."""

    preview: bool = flag(
        help="make an MP3 of audio that not every browser plays, such as AIFF, ALAC or WMA"
    )
    preview_all: bool = flag(help="make an MP3 of everything")
    preview_bitrate: int | None = option(
        metavar="KBPS",
        parse=positive,
        help="bit rate of these MP3 files in stereo, in kbit/s: 64, 96, 128 (default), "
        "160, 192, 224, 256 or 320; mono gets half",
    )

    def preview_choice(self) -> tuple[PreviewChoice, int]:
        """Return of what to make a preview, and its bit rate.

        Raises:
            UsageError: a bit rate is given, and no preview is to be made.
        """
        choice: PreviewChoice = "all" if self.preview_all else self.preview
        if self.preview_bitrate is None:
            return choice, _USUAL_KBPS
        if not choice:
            raise UsageError("--preview-bitrate is for --preview or --preview-all")
        return choice, self.preview_bitrate
