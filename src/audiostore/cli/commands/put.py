"""Store audio files with their artwork, and print their IDs."""

from __future__ import annotations

import os

import audiostore
from audiostore.cli import hints
from audiostore.cli.choosing import resolve_anywhere
from audiostore.cli.declare import JsonOptions, StoreOptions, arguments, flag, option
from audiostore.cli.failures import PARTLY_FAILED, UsageError
from audiostore.cli.output import print_json, say
from audiostore.cli.selecting import SelectionOptions
from audiostore.cli.store import choose_store, opened, warn
from audiostore.cli.uploading import MANIFEST_HELP, ColumnOptions, UploadingOptions
from audiostore.cli.values import positive, rate

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import AudioStorageManager, UploadOptions, UploadOutcome

GROUP = "store and fetch"
EXAMPLE = """\
audiostore put song.mp3 --thumbnail cover.jpg --meta artist='Nina Simone'
audiostore put ~/Music --dry-run"""
_MANY = "for many files"


class Options(StoreOptions, JsonOptions, UploadingOptions, SelectionOptions, ColumnOptions):
    """Options of `put`."""

    files: tuple[str, ...] = arguments(
        "FILE",
        "audio files or directories; artwork is an image given with the files or, for several "
        "files, found next to them: with the same name, or named cover, folder, front …",
        files="audio",
    )
    thumbnail: str | None = option(
        metavar="FILE", help="artwork to store with it: JPEG, PNG or WebP", files="images"
    )
    audio_id: str | None = option(
        "--id", metavar="UUID", help="ID to store it under (default: a new one)"
    )
    title: str | None = option(metavar="TEXT", help="title (default: from the file's tags)")
    supersedes: str | None = option(
        metavar="ID",
        help="ID of the asset that this one replaces, or the first characters of it (at least 4): "
        "each will refer to the other",
    )
    trash_superseded: bool = flag(help="delete the superseded asset once this one is stored")
    cleanup: bool = flag(help="delete the local files once they are stored and verified")
    manifest: str | None = option(metavar="LIST", help=MANIFEST_HELP, group=_MANY, files="lists")
    dry_run: bool = flag(
        "-n",
        "--dry-run",
        help="print what would be stored, with which artwork, and what would be rejected; "
        "store nothing",
        group=_MANY,
    )
    skip_stored: bool = flag(
        help="skip audio that is already in the store, byte for byte, under any name", group=_MANY
    )
    update: bool = flag(
        help="apply changes of the files to the store: new audio supersedes the old, new tags "
        "and artwork replace those stored, a moved file keeps its ID",
        group=_MANY,
    )
    again: bool = flag(help="store files again even if their assets are in the trash", group=_MANY)
    fail_fast: bool = flag(help="start nothing new after the first failure", group=_MANY)
    in_order: bool = flag(
        help="print results in the order of the files (default: as they finish)", group=_MANY
    )
    concurrency: int | None = option(
        metavar="N",
        parse=positive,
        help="at most N uploads at once (default: adaptive)",
        group=_MANY,
    )
    max_rate: float | None = option(
        metavar="RATE",
        parse=rate,
        help="limit of all uploads together in bytes per second: 500K, 50M, 1.5G",
        group=_MANY,
    )
    max_writes_per_s: int | None = option(
        metavar="N",
        parse=positive,
        help="limit of objects written per second, for a bucket that was just created",
        group=_MANY,
    )
    journal: str | None = option(
        metavar="FILE",
        help="file that records what is stored, so that the same command resumes (default: one "
        "per store, in ~/.local/state/audiostore)",
        group=_MANY,
        excludes="journal",
        files="any",
    )
    no_journal: bool = flag(
        help="keep no record: the same command stores everything again",
        group=_MANY,
        excludes="journal",
    )

    def are_for_many(self) -> bool:
        """Say whether an option is given that needs the bulk upload."""
        return bool(
            self.manifest
            or self.dry_run
            or self.skip_stored
            or self.update
            or self.fail_fast
            or self.in_order
            or self.concurrency
            or self.max_rate
            or self.max_writes_per_s
            or self.selects()
        )

    def upload_options(self) -> UploadOptions:
        """Return how to upload; which asset it supersedes is looked up later.

        Raises:
            UsageError: a key of the metadata is given twice.
            AudioStoreError, ValueError: an option is not valid.
        """
        options = super().upload_options()
        return options.of(options, cleanup=self.cleanup, trash_superseded=self.trash_superseded)

    def metadata(self) -> dict[str, str]:
        """Return the metadata to store.

        Raises:
            UsageError: a key is given twice.
        """
        return super().metadata() | ({} if self.title is None else {"title": self.title})


def run(options: Options) -> int:
    """Store one file, or many: what only many need is imported only for many."""
    if not (options.files or options.manifest or options.files_from):
        raise UsageError(
            "nothing to store: name a FILE, several, a directory, --files-from LIST or "
            "--manifest LIST; see 'audiostore put --help'"
        )
    for file in options.files:
        if file == "-" and not os.path.lexists(file):
            raise UsageError("standard input is not supported: save it to a file, and give that")
        if "://" in file and not os.path.lexists(file):
            url = file.partition("?")[0]
            raise UsageError(f"{url!r} is a URL: list it in a manifest (--manifest LIST)")
    if (options.column or options.ignore_column) and not options.manifest:
        raise UsageError("--column and --ignore-column are for --manifest LIST")
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    if options.are_for_many() or len(options.files) != 1 or Path(options.files[0]).is_dir():
        from audiostore.cli.commands._put_many import put_many  # noqa: PLC0415  (for many only)

        return put_many(options)
    return _put_one(options)


def _journaled(
    options: Options, manager: AudioStorageManager, upload: UploadOptions
) -> UploadOutcome:
    """Store one file as a run of the journal, so that no kill makes it be stored twice.

    Raises:
        Exception: it could not be stored.
    """
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore.asset import require_audio_id  # noqa: PLC0415
    from audiostore.bulk import BulkItem, upload_one  # noqa: PLC0415
    from audiostore.cli.journals import open_journal  # noqa: PLC0415

    audio_id = None if options.audio_id is None else require_audio_id(options.audio_id)
    thumbnail = None if options.thumbnail is None else Path(options.thumbnail)
    item = BulkItem(Path(options.files[0]), thumbnail, audio_id)
    with open_journal(options.journal, choose_store(options).location) as journal:
        outcome = upload_one(manager, item, journal, upload, again=options.again)
    if outcome.error is not None:
        raise outcome.error
    return outcome


def _report_deleted(outcome: UploadOutcome) -> int:
    restore = hints.command("restore", outcome.audio_id or "ID")
    say(
        "warning",
        f"{outcome.item.audio}: {outcome.audio_id} is in the trash: not stored again. "
        f"{restore} brings it back, --again stores it again",
    )
    return PARTLY_FAILED


def _start_inspection(options: Options) -> None:
    """Let a sandbox worker, if one is needed, start while this process prepares the upload."""
    if options.check == "none" or not os.path.isfile(options.files[0]):  # noqa: PTH113  (no error)
        return
    images = options.check == "full" or options.thumbnail_max_px is not None
    if not (images or options.analyse or options.true_peak):
        from audiostore.media import may_need_worker  # noqa: PLC0415  (not for --help)

        if not may_need_worker(options.files[0]):
            return
    from audiostore.media import start_early  # noqa: PLC0415  (not for --help)

    start_early(images=images)


def _put_one(options: Options) -> int:
    _start_inspection(options)
    from audiostore.cli.progress.asset import AssetProgress  # noqa: PLC0415  (not for --help)

    if options.trash_superseded and options.supersedes is None:
        raise UsageError("--trash-superseded needs --supersedes ID")
    upload = options.upload_options()
    progress = AssetProgress()
    try:
        with opened(options, progress, creates=True) as manager, progress:
            if options.supersedes is not None:
                old_id = resolve_anywhere(manager, options.supersedes)
                upload = upload.of(upload, supersedes=old_id)
            if options.no_journal or not (options.cleanup or os.path.exists(options.files[0])):  # noqa: PTH110
                result = manager.upload_audio_with_thumbnail(
                    options.files[0], options.thumbnail, audio_id=options.audio_id, options=upload
                )
            else:
                outcome = _journaled(options, manager, upload)
                if outcome.status == "deleted":
                    return _report_deleted(outcome)
                result = outcome.result or manager.get(outcome.audio_id or "")
    except Exception as error:
        if audiostore.CONSERVATIVE_CONFIG.is_retryable(error):
            error.add_note("run the same command again to resume")
        raise
    if not result.created:
        say("note", f"{result.audio_id} is already stored, with the same content")
    if options.json:
        print_json(result)
    else:
        from audiostore.cli.listing import stored_block  # noqa: PLC0415  (not for --help)

        print(stored_block(result))
    warn(result)
    return 0
