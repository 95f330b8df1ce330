"""Uploading, downloading and copying many assets: what `AudioStorageManager.bulk` offers."""

import os
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, TypeVar

from audiostore.asset import PartName
from audiostore.bulk.actions import ActionOutcome, apply_to_each
from audiostore.bulk.copies import copy_assets
from audiostore.bulk.downloads import download_assets
from audiostore.bulk.executors import RunOptions
from audiostore.bulk.items import BulkItem, CopyOutcome, DownloadOutcome, UploadOutcome
from audiostore.bulk.naming import FileNaming
from audiostore.values import StorageResult

if TYPE_CHECKING:
    from typing import Unpack

    from audiostore.bulk.journal import Journal
    from audiostore.ingest import UploadKeywords, UploadOptions
    from audiostore.manager import AudioStorageManager

T = TypeVar("T")
R = TypeVar("R")


class Bulk:
    """Uploads, downloads and copies many assets; reached as `AudioStorageManager.bulk`.

    Each method yields one outcome per item; a failing item never stops the others. An error that
    all others would meet, too (`AudioStoreError.affects_all`, a full disk), ends the run: it is
    raised once, after the outcomes of what was in progress, and the rest is not tried. The input is
    read as it is needed, so it may have any length. Closing the generator starts nothing more and
    waits for what is running; an exception thrown into it, such as KeyboardInterrupt, does not
    wait.

    On Linux, up to four forked processes do the work, if this process has a single thread when the
    first outcome is asked for and the manager has opened its store itself; otherwise threads do.

    A store that fails for a while interrupts nothing: unless the manager has a `retry_config` of
    its own, requests are retried until the store has failed for two minutes without a success
    (`DEADLINE_CONFIG`). That time counts for all items together: then the run ends.

    These options are common to all methods:

    - `concurrency`: most transfers at once; None: the best number found, up to 256.
    - `max_rate_bytes_s`: most bytes per second on average, all transfers together.
    - `max_writes_per_s`, where objects are written: most of them per second on average.
    - `in_order`: yield outcomes in the order of the input, not in the order of completion.
    - `fail_fast`: start nothing new after the first failure.

    Example::

        with AudioStorageManager("my-bucket") as manager:
            for outcome in manager.bulk.upload(items, journal="run.journal"):
                print(outcome.item.audio, outcome.error or outcome.audio_id)
    """

    def __init__(self, manager: "AudioStorageManager") -> None:
        self._manager = manager

    def upload(
        self,
        items: Iterable[BulkItem],
        *,
        journal: "Journal | str | os.PathLike[str] | None" = None,
        skip_stored: bool = False,
        again: bool = False,
        update: bool = False,
        concurrency: int | None = None,
        max_rate_bytes_s: float | None = None,
        max_writes_per_s: float | None = None,
        in_order: bool = False,
        fail_fast: bool = False,
        options: "UploadOptions | None" = None,
        **keywords: "Unpack[UploadKeywords]",
    ) -> Generator[UploadOutcome, None, None]:
        """Store many assets, each exactly once.

        Args:
            items: the assets to store.
            journal: an open journal, or the path of its file. With it, ids outlive this process:
                after any interruption, run again with the same items, and each is stored exactly
                once. What the journal records as stored is looked up in the store: the status of
                an outcome is "stored before" if it is there, and "deleted" if it is in the trash;
                what is gone is stored again, under a new id. Several processes may share the items
                and the journal.
            skip_stored: list the store first, and do not upload audio that it has (same size,
                crc32c and md5, or bytes in a directory); its id is reported with `skipped`. The
                local files of skipped items are kept, whatever `cleanup` says.
            again: store what is in the trash, too, under a new id.
            update: list the store first, and change what is stored as the files have changed: a
                file with other audio at the same path is stored as an asset that supersedes the
                old one; with other tags or artwork only, the asset gets these, and its audio stays
                as it was first stored; a file that was moved keeps its id. Nothing is deleted.
                Not with `skip_stored` or `cleanup`.
            concurrency: most transfers at once.
            max_rate_bytes_s: most bytes sent per second on average.
            max_writes_per_s: most objects written per second on average.
            in_order: yield outcomes in the order of the items.
            fail_fast: start nothing new after the first failure.
            options: how to inspect, prepare and store the files. An item's own metadata is added
                to that of the options, and wins.
            **keywords: fields of `UploadOptions`; each overrides `options`.

        Raises:
            ValueError: an option is not valid, or `supersedes` is given, which is for one asset.
            ConfigurationError: the journal cannot be used (raised with the first outcome).
            AudioStoreError, OSError: an error that affects all items; or what the journal records
                cannot be looked up in the store.
            Exception: what `items` raises, after the outcomes of all items before; or the journal
                cannot be written.
        """
        from audiostore.bulk.uploads import upload_items  # noqa: PLC0415  (the inspection of files)
        from audiostore.ingest import UploadOptions  # noqa: PLC0415

        upload_options = UploadOptions.of(options, **keywords)
        if upload_options.supersedes is not None:
            raise ValueError("supersedes names one asset: give it with its item")
        if update and skip_stored:
            raise ValueError("update and skip_stored exclude each other")
        if update and upload_options.cleanup:
            raise ValueError(
                "update and cleanup exclude each other: once a file is deleted, a new file of "
                "its name is another track"
            )
        run_options = RunOptions(
            concurrency=concurrency,
            max_rate_bytes_s=max_rate_bytes_s,
            max_writes_per_s=max_writes_per_s,
            in_order=in_order,
            fail_fast=fail_fast,
        )
        manager = self._manager._for_many
        return upload_items(
            manager,
            items,
            journal,
            upload_options,
            run_options,
            skip_stored=skip_stored,
            again=again,
            update=update,
        )

    def download(
        self,
        assets: Iterable[str | StorageResult],
        to: str | os.PathLike[str],
        *,
        part: PartName = "audio",
        names: FileNaming | None = None,
        overwrite: bool = False,
        concurrency: int | None = None,
        max_rate_bytes_s: float | None = None,
        in_order: bool = False,
        fail_fast: bool = False,
    ) -> Generator[DownloadOutcome, None, None]:
        """Download a part of many assets into a directory.

        A file that is already there, with the right size and crc32c, is not downloaded again:
        after an interruption, run it again. A file with other content stays as it is, and is
        reported as a FileExistsError.

        Args:
            assets: ids; or what `get` or `list` returned, which saves looking each up again.
            to: the directory; it is created if it does not exist.
            part: "audio" or "thumbnail".
            names: returns the file name for an asset, relative to the directory; subdirectories
                are created, and nothing outside of it is written. `name_by_source_path` rebuilds
                the directories that were stored, `NameTemplate` names files by their tags. It is
                called in this process, one asset at a time, once for each. If two files
                with different bytes have the same name, as far as the file system tells names
                apart, the id is added to the second; a name that is too long is shortened: the
                outcome has a warning. None: ``{id}.mp3``.
            overwrite: replace files with other content, each in one step.
            concurrency: most transfers at once.
            max_rate_bytes_s: most bytes received per second on average.
            in_order: yield outcomes in the order of the assets.
            fail_fast: start nothing new after the first failure.

        Raises:
            ValueError: an option is not valid.
            OSError: the directory cannot be created.
            AudioStoreError, OSError: an error that affects all assets.
            Exception: what `assets` raises, after the outcomes of all assets before.
        """
        run_options = RunOptions(
            concurrency=concurrency,
            max_rate_bytes_s=max_rate_bytes_s,
            in_order=in_order,
            fail_fast=fail_fast,
        )
        manager = self._manager._for_many
        return download_assets(
            manager, assets, to, run_options, part=part, names=names, overwrite=overwrite
        )

    def copy(
        self,
        target: "AudioStorageManager",
        assets: Iterable[StorageResult] | None = None,
        *,
        concurrency: int | None = None,
        max_rate_bytes_s: float | None = None,
        max_writes_per_s: float | None = None,
        in_order: bool = False,
        fail_fast: bool = False,
    ) -> Generator[CopyOutcome, None, None]:
        """Copy complete assets to another store, verified, under the same ids.

        Assets that are already there are skipped: after an interruption, run it again.

        Args:
            target: the manager of the other store.
            assets: what `get` or `list` of this store returned; None: all assets.
            concurrency: most transfers at once.
            max_rate_bytes_s: most bytes copied per second on average.
            max_writes_per_s: most objects written per second on average.
            in_order: yield outcomes in the order of the assets.
            fail_fast: start nothing new after the first failure.

        Raises:
            ValueError: an option is not valid, or both stores are the same.
            AudioStoreError, OSError: an error that affects all assets.
            Exception: what `assets` raises, after the outcomes of all assets before.
        """
        run_options = RunOptions(
            concurrency=concurrency,
            max_rate_bytes_s=max_rate_bytes_s,
            max_writes_per_s=max_writes_per_s,
            in_order=in_order,
            fail_fast=fail_fast,
        )
        source, target = self._manager._for_many, target._for_many
        return copy_assets(source, target, assets, run_options)

    def apply(
        self,
        action: Callable[[T], R],
        items: Iterable[T],
        *,
        concurrency: int | None = None,
        in_order: bool = False,
        fail_fast: bool = False,
    ) -> Generator[ActionOutcome[T, R], None, None]:
        """Call a function with each of many items, such as ids, many at once, always in threads.

        For what takes a request or two of each asset. Example::

            ids = [asset.audio_id for asset in manager.catalog.find(query)]
            for outcome in manager.bulk.apply(manager.hold, ids):
                print(outcome.item, outcome.error or "held")

        Args:
            action: what to do with an item; what it raises is the item's error.
            items: read as they are needed.
            concurrency: most calls at once.
            in_order: yield outcomes in the order of the items.
            fail_fast: start nothing new after the first failure.

        Raises:
            ValueError: an option is not valid.
            Exception: what `items` raises, after the outcomes of all items before.
        """
        run_options = RunOptions(concurrency=concurrency, in_order=in_order, fail_fast=fail_fast)
        return apply_to_each(self._manager, action, items, run_options)
