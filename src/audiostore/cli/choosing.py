"""Which assets a command works on: IDs, a file of IDs, the filters of `list`, or all of them.

::

    with choosing(options) as chosen:
        if options.dry_run:
            return with_each(chosen, plan)
        chosen.fix()
        if not has_consent_to(options, chosen, f"Delete {chosen.these}?"):
            return 1
        return with_each(chosen, delete, "deleted")
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

from audiostore.cli.declare import JsonOptions, StoreOptions, arguments, fields_of, flag, option
from audiostore.cli.failures import UsageError
from audiostore.cli.filters import WHICH, QueryOptions
from audiostore.cli.selection import Selection
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audiostore import AudioStorageManager
    from audiostore.events import EventListener


class SelectionOptions(QueryOptions, JsonOptions):
    """A command on assets, of whichever store."""

    audio_ids: tuple[str, ...] = arguments(
        "ID", "ID of an asset, or the first characters of it (at least 4)"
    )
    from_file: str | None = option(
        metavar="FILE",
        help="the IDs in FILE ('-': standard input): one per line, or the output of 'audiostore "
        "list'",
        group=WHICH,
        files="any",
    )
    all: bool = flag(help="every asset", group=WHICH)


class AssetsOptions(SelectionOptions, StoreOptions):
    """A command on the assets of a store."""


class DeletedOptions(AssetsOptions):
    """A command on deleted assets."""

    audio_ids: tuple[str, ...] = arguments(
        "ID", "ID of a deleted asset, or the first characters of it (at least 4)"
    )
    all: bool = flag(help="every asset in the trash", group=WHICH)


@contextmanager
def choosing(
    options: AssetsOptions,
    *,
    audio_ids: tuple[str, ...] | None = None,
    in_trash: bool = False,
    resolve: Callable[[AudioStorageManager, str], str] | None = None,
    on_event: EventListener | None = None,
) -> Iterator[Selection]:
    """Yield the assets that the options of a command name, of its store.

    Args:
        options: those of the command.
        audio_ids: the IDs among its arguments; None: all of them.
        in_trash: look among the deleted assets.
        resolve: returns the id that begins with what was typed; None: as the place suggests.
        on_event: the command's progress; if None, what it waits for is shown.

    Raises:
        UsageError: no assets were named, or in several ways, or one by an invalid id.
    """
    given = options.audio_ids if audio_ids is None else audio_ids
    require_one_way(options, given)
    from audiostore.cli.progress.count import CountProgress  # noqa: PLC0415  (not for --help)

    with CountProgress() as progress, opened(options, on_event or progress.waiting) as manager:
        yield Selection(
            options,
            manager,
            None if on_event else progress,
            audio_ids=given,
            in_trash=in_trash,
            resolve=None if resolve is None else partial(resolve, manager),
        )


def resolve_anywhere(manager: AudioStorageManager, text: str) -> str:
    """Return the full id of an asset that is stored; else of one that was deleted.

    Raises:
        AssetNotFoundError: there is none.
        InvalidAudioIdError, AmbiguousAudioIdError: the text does not mean one asset.
    """
    from audiostore.errors import AssetNotFoundError  # noqa: PLC0415  (not for --help)

    try:
        return manager.catalog.resolve(text)
    except AssetNotFoundError:
        return manager.trash.resolve(text)


def require_one_way(options: SelectionOptions, audio_ids: tuple[str, ...]) -> None:
    """Require that the assets are named in one way: a mistake must not become a selection.

    Raises:
        UsageError: they are not.
    """
    has_filters = is_filtered(options)
    ways = [bool(audio_ids), options.from_file is not None, has_filters, options.all]
    if not any(ways):
        raise UsageError(
            "no assets given: give IDs, --from-file FILE, filters such as --artist TEXT, or --all"
        )
    if sum(ways) > 1:
        raise UsageError(
            "assets are named in two ways: give either IDs, --from-file, filters or --all"
        )


def is_selected(options: SelectionOptions) -> bool:
    """Say whether the options name any assets."""
    is_named = bool(options.audio_ids) or options.from_file is not None or options.all
    return is_named or is_filtered(options)


def is_filtered(options: QueryOptions) -> bool:
    """Say whether any filter is given."""
    filters = fields_of(QueryOptions)
    return any(getattr(options, name) != each.default for name, each in filters.items())
