"""`put` and `get`: of one asset, or of many. What only many need is imported only for many."""

from argparse import Namespace
from pathlib import Path

from audiostore.cli.options.adding import UsageError

_PUT_MANY = (
    "manifest",
    "dry_run",
    "skip_stored",
    "fail_fast",
    "in_order",
    "journal",
    "no_journal",
    "concurrency",
    "max_rate",
)
_GET_MANY = ("fail_fast", "concurrency", "max_rate")


def put(options: Namespace) -> int:
    """Store audio files, with their artwork."""
    paths: list[str] = options.files
    if not paths and options.manifest is None:
        raise UsageError(
            "say what to store: a FILE, several, a directory, or --manifest LIST; "
            "see 'audiostore put --help'"
        )
    asks_for_many = any(getattr(options, name) for name in _PUT_MANY)
    if asks_for_many or len(paths) > 1 or Path(paths[0]).is_dir():
        from audiostore.cli.commands.bulk import put_many  # noqa: PLC0415

        return put_many(options)
    from audiostore.cli.commands import assets  # noqa: PLC0415

    (options.file,) = paths
    return assets.put(options)


def get(options: Namespace) -> int:
    """Fetch a part of assets."""
    audio_ids: list[str] = options.audio_ids
    if options.all and audio_ids:
        raise UsageError("--all fetches every asset: name no ID beside it")
    if not (options.all or audio_ids):
        raise UsageError("say what to fetch: an ID, several, or --all; 'audiostore list' has them")
    if options.to is not None:
        if options.output is not None:
            raise UsageError("-o is for one asset: many go --to DIR")
        from audiostore.cli.commands.fetching import get_many  # noqa: PLC0415

        return get_many(options)
    if options.all or len(audio_ids) > 1:
        raise UsageError("many assets go into a directory: name it with --to DIR")
    for name in _GET_MANY:
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} is for many assets, with --to DIR")
    from audiostore.cli.commands import assets  # noqa: PLC0415

    (options.audio_id,) = audio_ids
    return assets.get(options)
