"""What `put` is to store: the files that its options name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from audiostore import BulkItem, find_items
from audiostore.asset import require_audio_id
from audiostore.bulk import CoverCheck, check_manifest
from audiostore.cli.failures import UsageError, sentence
from audiostore.cli.output import counted, say
from audiostore.cli.progress.count import CountProgress
from audiostore.cli.report import print_problem
from audiostore.cli.selecting import FileList
from audiostore.config import DirectoryLocation
from audiostore.dataclass import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audiostore import (
        IgnoredPath,
        IgnoredPathListener,
        Manifest,
        ManifestProblem,
        SearchOptions,
        UploadOptions,
    )
    from audiostore.cli.commands.put import Options
    from audiostore.config import Location


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be stored."""

    items: Callable[[Callable[[IgnoredPath], None]], Iterator[BulkItem]]
    """Finds the items; each call starts over."""
    name: str
    covers_are_given: bool = False
    manifest: Manifest | None = None
    to_count: Callable[[], Iterator[BulkItem]] | None = None
    """Finds the items to count them, if that is another way; none if they can be read only once."""

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of a number of assets and their bytes."""
        if self.manifest is not None:
            yield self.manifest.count, self.manifest.size_bytes
            return
        for item in self.to_count() if self.to_count else self.items(lambda _: None):
            yield 1, size_of(item)


def work_of(options: Options, location: Location, upload: UploadOptions) -> Work | None:
    """Return what the options name; None if the manifest has errors, which are printed."""
    if options.null and not options.files_from:
        raise UsageError("-0 is for --files-from LIST")
    paths = [Path(path) for path in options.files]
    check = CoverCheck(upload, report_cover) if options.skip_bad_covers else None
    if options.manifest is not None:
        return _of_manifest(options, Path(options.manifest), upload, check)
    if len(paths) == 1 and not options.files_from and not paths[0].is_dir():
        return _of_one(options, paths[0], check)
    refuse_what_is_for_one(options, "several files")
    plain = options.search_options(fix_extension=options.fix_extension)
    search = replace(plain, is_usable_cover=check) if check else plain
    if options.files_from:
        listed = FileList(options, options.files)
        return Work(
            lambda on_ignored: listed.items(on_ignored, search),
            listed.shown,
            to_count=lambda: (
                listed.items(lambda _: None, plain) if listed.can_be_read_again else iter(())
            ),
        )

    def items(on_ignored: IgnoredPathListener, search: SearchOptions) -> Iterator[BulkItem]:
        return find_items(
            paths,
            on_ignored,
            search,
            store_folder=location.path if isinstance(location, DirectoryLocation) else None,
            allow_missing=options.cleanup,
        )

    return Work(
        lambda on_ignored: items(on_ignored, search),
        str(paths[0]) if len(paths) == 1 else f"these {len(paths)} paths",
        to_count=lambda: items(lambda _: None, plain),
    )


def _of_one(options: Options, path: Path, check: CoverCheck | None) -> Work:
    if options.supersedes is not None:
        raise UsageError("--supersedes cannot be combined with options for many files")
    if options.audio_id is not None:
        require_audio_id(options.audio_id)
    if not options.search_options(fix_extension=False).patterns.takes(path.name):
        raise UsageError(f"{str(path)!r} is excluded by a pattern")
    thumbnail = Path(options.thumbnail) if options.thumbnail else None
    only = [BulkItem(path, thumbnail, options.audio_id)]
    return Work(
        lambda _: check.without_bad(only) if check else iter(only),
        str(path),
        covers_are_given=True,
        to_count=lambda: iter(only),
    )


def report_cover(cover: Path, error: Exception) -> None:
    """Print why an image is not used as a cover."""
    say("warning", f"{cover}: not used as a cover: {sentence(error)}")


def _of_manifest(
    options: Options, path: Path, upload: UploadOptions, check: CoverCheck | None
) -> Work | None:
    if options.files or options.files_from:
        raise UsageError("--manifest lists what to store: give no FILE with it, and no other list")
    if options.include or options.exclude or options.cover_names:
        raise UsageError("--manifest lists what to store, with covers: patterns do not apply to it")
    refuse_what_is_for_one(options, "a manifest (which can have a column for it)")
    is_about_columns = False
    with CountProgress(what="lines") as progress:

        def report(problem: ManifestProblem) -> None:
            nonlocal is_about_columns
            is_about_columns = is_about_columns or problem.is_about_columns
            progress.clear()
            print_problem(str(path), problem)

        manifest = check_manifest(
            path,
            report,
            metadata=upload.metadata or {},
            columns=options.column_names(),
            ignored_columns=options.ignore_column,
            fix_extension=options.fix_extension,
            cleanup=options.cleanup,
            on_row=progress,
        )
    if manifest.errors:
        errors = counted(manifest.errors, "error")
        say("error", f"{path} has {errors}: nothing was stored")
        if is_about_columns:
            say(
                "note",
                "--column audio=NAME says which column names the audio files, --column KEY=NAME "
                "renames another; --ignore-column NAME leaves it out",
            )
        return None
    return Work(
        lambda _: check.without_bad(manifest.items()) if check else manifest.items(),
        str(path),
        covers_are_given=True,
        manifest=manifest,
    )


def refuse_what_is_for_one(options: Options, what: str) -> None:
    for flag, value in (
        ("--thumbnail", options.thumbnail),
        ("--id", options.audio_id),
        ("--title", options.title),
        ("--supersedes", options.supersedes),
    ):
        if value is not None:
            raise UsageError(f"{flag} is for one FILE, not for {what}")


def size_of(item: BulkItem) -> int:
    size_bytes = 0
    for path in (None if item.remote_audio else item.audio, item.thumbnail):
        if path is not None:
            with suppress(OSError, ValueError):  # the upload reports it
                size_bytes += path.stat().st_size
    return size_bytes
