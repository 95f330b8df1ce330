"""`get` for many assets, into a directory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from audiostore.bulk import CoverNames, NameTemplate, cover_name, name_by_source_path
from audiostore.cli.choosing import choosing
from audiostore.cli.failures import (
    INTERRUPTED,
    NOT_FOUND,
    PARTLY_FAILED,
    UsageError,
    report_stop,
)
from audiostore.cli.filters import query_of
from audiostore.cli.output import counted, escape, note, print_json, say
from audiostore.cli.progress.bulk import BulkProgress, abandoning
from audiostore.cli.report import (
    FETCHED,
    Count,
    Warnings,
    fetched_bytes,
    fetched_fields,
    fetched_status,
    print_failure,
)
from audiostore.cli.selection import Selection
from audiostore.errors import AssetNotFoundError, affects_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audiostore import AudioStorageManager, DownloadOutcome, FileNaming, StorageResult
    from audiostore.asset import PartName
    from audiostore.cli.commands.get import Options


def get_many(options: Options, directory: str) -> int:
    """Download the assets that the options name, or all, into a directory."""
    names = _naming(options.name)
    run = _Run(options, directory)
    try:
        with choosing(options, on_event=run.progress) as selection, run.progress:
            manager, chosen = selection.manager, _Chosen(selection, options)
            run.progress.expect(chosen.sizes())
            if options.part == "thumbnail":
                run.fetch(manager, chosen.listed(), "thumbnail", partial(cover_name, names=names))
            elif options.part == "audio":
                run.fetch(manager, chosen.listed(), "audio", names)
            else:
                covers = CoverNames(names)
                run.fetch(manager, chosen.listed(), "audio", covers.of_audio)
                if covers.are_known and not (options.fail_fast and run.count.failed):
                    run.fetch_covers(manager, covers.select(chosen.found()), covers)
    except KeyboardInterrupt:
        say("stopped", run.summary())
        say("interrupted", "run the same command again to resume; complete files are kept")
        return INTERRUPTED
    except Exception as error:
        if run.count.total and affects_all(error):
            return report_stop(error, run.summary(), debug=options.debug)
        raise
    run.warnings.print_rest()
    if chosen.superseded:
        left_out = counted(chosen.superseded, "superseded asset")
        say("note", f"{left_out} left out: --with-superseded downloads them too")
    if not run.count.total:
        if not options.all and not selection.unknown:
            say("error", selection.nothing)
            return NOT_FOUND
        note("nothing to download")
        return NOT_FOUND if selection.unknown else 0
    say("done", run.summary())
    if run.count.failed or run.covers.failed:
        return PARTLY_FAILED
    return NOT_FOUND if selection.unknown else 0


class _Run:
    """Downloads, and reports them."""

    def __init__(self, options: Options, directory: str) -> None:
        self._options = options
        self._directory = directory
        self.count, self.covers = Count(FETCHED), Count(FETCHED)
        self.progress = BulkProgress()
        self.warnings = Warnings()

    def fetch(
        self,
        manager: AudioStorageManager,
        assets: Iterable[str | StorageResult],
        part: PartName,
        names: FileNaming,
    ) -> None:
        """Download a part of assets."""
        for fetched in self._outcomes(manager, assets, part, names):
            self.count.add(fetched_status(fetched), fetched_bytes(fetched))

    def fetch_covers(
        self, manager: AudioStorageManager, assets: Iterable[StorageResult], names: FileNaming
    ) -> None:
        """Download the covers of assets, besides their audio."""
        expected = self._expected(assets)
        for fetched in self._outcomes(manager, expected, "thumbnail", names):
            self.covers.add(fetched_status(fetched), fetched_bytes(fetched))

    def _expected(self, assets: Iterable[StorageResult]) -> Iterator[StorageResult]:
        for asset in assets:
            self.progress.count([(1, asset.parts["thumbnail"].size_bytes)])
            yield asset

    def summary(self) -> str:
        """Return in one sentence what was downloaded."""
        covers = f"; covers: {self.covers.summary()}" if self.covers.total else ""
        return f"{self.count.summary(self.progress.elapsed_s)}{covers}"

    def _outcomes(
        self,
        manager: AudioStorageManager,
        assets: Iterable[str | StorageResult],
        part: PartName,
        names: FileNaming,
    ) -> Iterator[DownloadOutcome]:
        options, progress = self._options, self.progress
        outcomes = manager.bulk.download(
            assets,
            self._directory,
            part=part,
            names=names,
            overwrite=options.overwrite,
            concurrency=options.concurrency,
            fail_fast=options.fail_fast,
            max_rate_bytes_s=options.max_rate,
        )
        with abandoning(outcomes):
            for fetched in outcomes:
                progress.finished(
                    fetched.audio_id,
                    fetched.size_bytes,
                    failed=fetched.error is not None,
                    moved=not fetched.skipped,
                )
                with progress.aside():
                    self._print(fetched, part)
                yield fetched

    def _print(self, fetched: DownloadOutcome, part: PartName) -> None:
        if self._options.json:
            print_json(fetched_fields(fetched, part))
        elif fetched.path is not None:
            print(escape(str(fetched.path)), flush=True)
        self.warnings.print_at(str(fetched.path or fetched.audio_id), fetched.warnings)
        if fetched.error is not None:
            print_failure(fetched.audio_id, fetched.error, debug=self._options.debug)


def _naming(template: str | None) -> FileNaming:
    if template is None:
        return name_by_source_path
    try:
        return NameTemplate(template)
    except ValueError as error:
        raise UsageError(f"--name: {error}") from error


class _Chosen:
    """The assets to download."""

    def __init__(self, selection: Selection, options: Options) -> None:
        self._selection = selection
        self._options = options
        self._is_listed = selection.total is None
        self.superseded = 0
        """How many were left out, because another asset supersedes them."""

    def listed(self) -> Iterator[StorageResult | str]:
        """Yield all; those given by id as ids, so that each unknown one is reported."""
        if self._is_listed:
            self.superseded = 0
            yield from self._current(count=True)
        else:
            yield from (each.audio_id for each in self._selection)

    def found(self) -> Iterator[StorageResult]:
        """Yield all that exist."""
        if self._is_listed:
            yield from self._current()
            return
        for each in self._selection:
            try:
                yield self._selection.asset(each)
            except AssetNotFoundError:  # it was reported
                continue

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yield how many there are, and their bytes, for a forecast."""
        if self._is_listed:
            part = self._options.part or "audio"
            yield from ((1, asset.parts[part].size_bytes) for asset in self._current())
        else:
            yield self._selection.total or 0, 0

    def _current(self, *, count: bool = False) -> Iterator[StorageResult]:
        part = self._options.part or "audio"
        takes_superseded = self._options.with_superseded or self._options.superseded
        for asset in self._selection.manager.catalog.find(query_of(self._options)):
            if asset.superseded_by is not None and not takes_superseded:
                self.superseded += count
            elif part in asset.parts:
                yield asset
