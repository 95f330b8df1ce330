"""Options that say which files `put` takes, and which images are their covers."""

from __future__ import annotations

from audiostore.cli.declare import Declared, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.values import cover_names, pattern

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from audiostore import BulkItem, IgnoredPathListener, SearchOptions

_WHICH = "which files, and which covers"


class SelectionOptions(Declared):
    """Which files below directories, or in a list."""

    include: tuple[str, ...] = option(
        metavar="PATTERN",
        repeatable=True,
        parse=pattern,
        help="take only audio files whose path below the directory matches a pattern, as in "
        "rclone: '*.flac', '/Jazz/**' (repeatable)",
        group=_WHICH,
    )
    exclude: tuple[str, ...] = option(
        metavar="PATTERN",
        repeatable=True,
        parse=pattern,
        help="skip files and directories that match: 'Live/', '*.wv' (repeatable)",
        group=_WHICH,
    )
    ignore_case: bool = flag(help="ignore the case of letters in patterns", group=_WHICH)
    files_from: str | None = option(
        metavar="LIST",
        help="take the files listed in LIST ('-': standard input), one per line, relative to the "
        "given directory (default: the working directory)",
        group=_WHICH,
        files="any",
    )
    null: bool = flag(
        "-0", "--null", help="names in LIST end with NUL, as find -print0 writes them", group=_WHICH
    )
    cover_names: tuple[str, ...] | None = option(
        metavar="NAMES",
        parse=cover_names,
        help="names of images that are covers, instead of the usual ones: cover,front,scan*",
        group=_WHICH,
    )
    skip_bad_covers: bool = flag(
        help="use the next best cover, or none, instead of one that is damaged", group=_WHICH
    )
    watch: bool = flag(
        help="keep running, and store new files in the directories once they no longer change",
        group=_WHICH,
    )

    def selects(self) -> bool:
        """Say whether any of these options is given."""
        return bool(
            self.include
            or self.exclude
            or self.ignore_case
            or self.files_from
            or self.null
            or self.cover_names
            or self.skip_bad_covers
            or self.watch
        )

    def search_options(
        self, *, fix_extension: bool, is_usable_cover: Callable[[Path], bool] | None = None
    ) -> SearchOptions:
        """Return how directories are searched."""
        from audiostore import PathPatterns, SearchOptions  # noqa: PLC0415
        from audiostore.dataclass import replace  # noqa: PLC0415  (not for --help)

        patterns = PathPatterns(self.include, self.exclude, ignore_case=self.ignore_case)
        options = SearchOptions(patterns, fix_extension=fix_extension)
        if self.cover_names is not None:
            options = replace(options, cover_names=self.cover_names)
        if is_usable_cover is not None:
            options = replace(options, is_usable_cover=is_usable_cover)
        return options


class FileList:
    """The list that --files-from names."""

    def __init__(self, options: SelectionOptions, files: tuple[str, ...]) -> None:
        """Check what is given, without reading the list.

        Raises:
            UsageError: more than one directory is given besides, or the list does not exist.
        """
        from pathlib import Path  # noqa: PLC0415  (not for --help)

        self.name = options.files_from or ""
        self.shown = "standard input" if self.name == "-" else self.name
        self._options = options
        self._root = Path(files[0]) if files else Path()
        if len(files) > 1 or not self._root.is_dir():
            raise UsageError(
                "--files-from LIST takes one directory, to which its names are relative"
            )
        if self.name != "-" and not Path(self.name).exists():
            raise UsageError(f"no file at {self.name!r}")
        self.can_be_read_again = self.name != "-" and Path(self.name).is_file()

    def items(self, on_ignored: IgnoredPathListener, search: SearchOptions) -> Iterator[BulkItem]:
        """Yield the items."""
        from audiostore import find_listed_items  # noqa: PLC0415  (not for --help)
        from audiostore.bulk import read_names  # noqa: PLC0415

        with self._opened() as stream:
            names = read_names(stream, self.shown, self._root, null_separated=self._options.null)
            yield from find_listed_items(names, self._root, on_ignored, search)

    def _opened(self) -> BinaryIO:
        import sys  # noqa: PLC0415
        from pathlib import Path  # noqa: PLC0415

        return sys.stdin.buffer if self.name == "-" else Path(self.name).open("rb")
