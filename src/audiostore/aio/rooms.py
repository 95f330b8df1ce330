"""What hangs on the manager, awaited: catalog, trash, bulk work, audit, lifecycle."""

from collections.abc import AsyncGenerator, Callable, Iterable
from functools import partial
from typing import TypeVar

from audiostore.aio.facade import Facade, awaited, iterated
from audiostore.asset import Trash
from audiostore.audit import Audit
from audiostore.bulk import ActionOutcome, Bulk
from audiostore.catalog import Catalog
from audiostore.lifecycle import Lifecycle

T = TypeVar("T")
R = TypeVar("R")


class AsyncCatalog(Facade[Catalog]):
    """Finds, counts and exports assets (see `Catalog`)."""

    find = iterated(Catalog.find)
    find_deleted = iterated(Catalog.find_deleted)
    resolve = awaited(Catalog.resolve)
    statistics = awaited(Catalog.statistics)
    duplicates = iterated(Catalog.duplicates)
    export = awaited(Catalog.export)
    export_shards = iterated(Catalog.export_shards)


class AsyncTrash(Facade[Trash]):
    """Deleted assets that can be restored (see `Trash`)."""

    list = iterated(Trash.list)
    get = awaited(Trash.get)
    resolve = awaited(Trash.resolve)
    restore = awaited(Trash.restore)
    purge = awaited(Trash.purge)


class AsyncAudit(Facade[Audit]):
    """Finds problems in the store, and repairs them (see `Audit`)."""

    check = iterated(Audit.check)
    read_inventory = awaited(Audit.read_inventory)
    repair = awaited(Audit.repair)


class AsyncBulk(Facade[Bulk]):
    """Uploads, downloads and copies many assets (see `Bulk`).

    It works in threads: a process with threads is not forked.
    """

    upload = iterated(Bulk.upload)
    download = iterated(Bulk.download)
    copy = iterated(Bulk.copy)

    def apply(
        self,
        action: Callable[[T], R],
        items: Iterable[T],
        *,
        concurrency: int | None = None,
        in_order: bool = False,
        fail_fast: bool = False,
    ) -> AsyncGenerator[ActionOutcome[T, R], None]:
        """Do the same with many items, in threads (see `Bulk.apply`)."""
        return self._threads.iterate(
            partial(
                self._wrapped.apply,
                action,
                items,
                concurrency=concurrency,
                in_order=in_order,
                fail_fast=fail_fast,
            )
        )


class AsyncLifecycle(Facade[Lifecycle]):
    """What the store does with assets as they age (see `Lifecycle`)."""

    rules = awaited(Lifecycle.rules)
    plan = awaited(Lifecycle.plan)
    effects = awaited(Lifecycle.effects)
    apply = awaited(Lifecycle.apply)
    run = iterated(Lifecycle.run)
