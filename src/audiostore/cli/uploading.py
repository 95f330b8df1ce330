"""Options of commands that store files: how each is inspected, prepared and stored."""

from __future__ import annotations

import audiostore
from audiostore.cli.declare import CheckOptions, Declared, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.previews import PreviewOptions
from audiostore.cli.values import key_and_value, positive

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterable

    from audiostore import UploadOptions

_LIST = "for a list"
MANIFEST_HELP = (
    "store the files listed in this file: CSV, TSV, JSON Lines or Parquet, with columns audio, "
    "thumbnail, id, title, artist, album; other columns become custom metadata; paths are relative "
    "to it; gs:// and https:// URLs are fetched"
)


class ColumnOptions(Declared):
    """A command that reads a manifest."""

    column: tuple[tuple[str, str], ...] = option(
        metavar="KEY=NAME",
        repeatable=True,
        parse=key_and_value,
        help="the column of LIST that holds KEY: audio=wav, thumbnail=cover, title=name "
        "(repeatable)",
        group=_LIST,
    )
    ignore_column: tuple[str, ...] = option(
        metavar="NAME",
        repeatable=True,
        help="leave out a column of LIST (repeatable)",
        group=_LIST,
    )

    def column_names(self) -> dict[str, str]:
        """Return which column of a manifest holds what.

        Raises:
            UsageError: a key is given twice.
        """
        return once_each("--column", self.column)


class UploadingOptions(CheckOptions, PreviewOptions):
    """A command that stores files."""

    new_ids: bool = flag(
        help="do not look up the given IDs, because they are new and nothing is stored under "
        "them; saves two requests each"
    )
    meta: tuple[tuple[str, str], ...] = option(
        metavar="KEY=VALUE",
        repeatable=True,
        parse=key_and_value,
        help="custom metadata to store (repeatable)",
    )
    artist: str | None = option(metavar="TEXT", help="artist (default: from the file's tags)")
    album: str | None = option(metavar="TEXT", help="album (default: from the file's tags)")
    no_artwork: bool = flag(
        help="do not store the artwork embedded in the audio file (default: store it as the "
        "thumbnail unless one is given)"
    )
    thumbnail_max_px: int | None = option(
        metavar="N", parse=positive, help="scale artwork down to N pixels on its longer side"
    )
    faststart: bool = flag(
        help="move the index of an MP4 file to its start, without loss, so that it plays at once"
    )
    analyse: bool = flag(help="measure the loudness (EBU R 128) and make the waveform")
    true_peak: bool = flag(help="also measure the true peak, which takes twice as long")
    public: bool = flag(
        help="let shared caches, such as a CDN, keep the files (default: private caches only)"
    )

    def upload_options(self) -> UploadOptions:
        """Return how to upload.

        Raises:
            UsageError: a key of the metadata is given twice, or options exclude each other.
            AudioStoreError, ValueError: an option is not valid.
        """
        preview, kbps = self.preview_choice()
        decodes = self.analyse or self.true_peak or bool(preview)
        if decodes and self.check == "none":
            raise UsageError(
                "--analyse, --true-peak and --preview decode the file: not with --check none"
            )
        options = audiostore.UploadOptions(
            metadata=self.metadata(),
            check=self.check,
            artwork="none" if self.no_artwork else "embedded",
            thumbnail_max_px=self.thumbnail_max_px,
            fix_extension=self.fix_extension,
            faststart=self.faststart,
            analyse="true-peak" if self.true_peak else self.analyse,
            preview=preview,
            preview_kbps=kbps,
            cache="public" if self.public else "private",
            id_is_new=self.new_ids,
        )
        if self.max_size is None:
            return options
        return options.of(options, max_size_bytes=self.max_size)

    def metadata(self) -> dict[str, str]:
        """Return the metadata to store.

        Raises:
            UsageError: a key is given twice.
        """
        metadata = once_each("--meta", self.meta)
        tags = (("artist", self.artist), ("album", self.album))
        return metadata | {key: value for key, value in tags if value is not None}


def once_each(flag: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return pairs as a dictionary.

    Raises:
        UsageError: a key is given twice.
    """
    values: dict[str, str] = {}
    for key, value in pairs:
        if key in values:
            raise UsageError(f"{flag} {key}= is given twice: give each key once")
        values[key] = value
    return values
