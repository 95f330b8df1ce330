"""How a command declares its arguments: as the fields of its options, a frozen dataclass.

::

    @dataclass(frozen=True, kw_only=True)
    class Options(StoreOptions, JsonOptions):
        files: tuple[str, ...] = arguments("FILE", "audio files")
        title: str | None = option(metavar="TEXT", help="title, instead of the file's own")
        public: bool = flag("let shared caches keep the file")

A field named ``min_size`` is written ``--min-size`` unless it names its flags.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from audiostore.ingest import CheckLevel

_COMMON = "common options"


@dataclass(frozen=True, slots=True)
class Argument:
    """How one field is written on the command line."""

    flags: tuple[str, ...] | None
    """None: a positional argument. Empty: the field's name."""
    keywords: dict[str, object]
    """What `argparse` is to know."""
    group: str = ""
    """The heading in the help; none: that of all options."""
    excludes: str = ""
    """Of the arguments with the same word here, at most one can be given."""
    opposite: tuple[str, str] | None = None
    """The flag that sets the field to False instead of True, and its help."""
    is_file: bool = False
    """Whether a shell completes file names."""

    @property
    def is_common(self) -> bool:
        """Whether the option may stand before the command as well as after it."""
        return self.group == _COMMON


def argument(
    metavar: str,
    help: str,
    *,
    default: object = MISSING,
    parse: Callable[[str], object] = str,
    choices: Sequence[str] | None = None,
    is_file: bool = False,
) -> Any:
    """Declare a positional argument; with a default, it can be left out."""
    keywords: dict[str, object] = {
        "metavar": metavar,
        "help": help,
        "type": parse,
        "choices": choices,
        "nargs": None if default is MISSING else "?",
    }
    return _field(default, Argument(None, keywords, is_file=is_file))


def arguments(
    metavar: str,
    help: str,
    *,
    required: bool = False,
    parse: Callable[[str], object] = str,
    is_file: bool = False,
) -> Any:
    """Declare any number of positional arguments, a tuple; `required`: at least one."""
    keywords: dict[str, object] = {
        "metavar": metavar,
        "help": help,
        "type": parse,
        "nargs": "+" if required else "*",
    }
    return _field((), Argument(None, keywords, is_file=is_file))


def option(
    *flags: str,
    metavar: str | None = None,
    help: str,
    default: object = None,
    required: bool = False,
    parse: Callable[[str], object] = str,
    choices: Sequence[str] | None = None,
    repeatable: bool = False,
    group: str = "",
    excludes: str = "",
    is_file: bool = False,
) -> Any:
    """Declare an option with a value; `repeatable`: a tuple of the values."""
    keywords: dict[str, object] = {
        "metavar": metavar,
        "help": help,
        "type": parse,
        "choices": choices,
        "required": required or None,
        "action": "append" if repeatable else None,
    }
    if required:
        default = MISSING
    elif repeatable:
        default = ()
    return _field(default, Argument(flags, keywords, group, excludes, is_file=is_file))


def flag(*flags: str, help: str, group: str = "", excludes: str = "") -> Any:
    """Declare an option without a value, a bool."""
    keywords: dict[str, object] = {"action": "store_true", "help": help}
    return _field(False, Argument(flags, keywords, group, excludes))


def either(yes: str, yes_help: str, no: str, no_help: str, *, group: str = "") -> Any:
    """Declare two opposite flags: True, False, or None if neither is given."""
    keywords: dict[str, object] = {"action": "store_const", "const": True, "help": yes_help}
    return _field(None, Argument((yes,), keywords, group, excludes=yes, opposite=(no, no_help)))


def _field(default: object, written: Argument) -> Any:
    return field(default=default, metadata={"argument": written})


# --- what several commands have -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every command has."""

    debug: bool = flag(help="show the traceback of an error", group=_COMMON)


@dataclass(frozen=True, kw_only=True)
class JsonOptions(CommonOptions):
    """A command that prints JSON if asked."""

    json: bool = flag(help="print JSON, one object per line", group=_COMMON)


@dataclass(frozen=True, kw_only=True)
class StoreOptions(CommonOptions):
    """A command on a store."""

    bucket: str | None = option(
        metavar="URL",
        help="the store: my-bucket, gs://my-bucket or file:///some/dir "
        "(default: $GCS_BUCKET_NAME, else ~/.local/share/audiostore)",
        group=_COMMON,
    )


@dataclass(frozen=True, kw_only=True)
class AssetOptions(StoreOptions, JsonOptions):
    """A command on one asset."""

    audio_id: str = argument("ID", "ID of the asset")


@dataclass(frozen=True, kw_only=True)
class AssetsOptions(StoreOptions, JsonOptions):
    """A command on several assets."""

    audio_ids: tuple[str, ...] = arguments("ID", "ID of an asset", required=True)


@dataclass(frozen=True, kw_only=True)
class DryRunOptions:
    """A command that can print what it would do."""

    dry_run: bool = flag("-n", "--dry-run", help="print what would be done, and do nothing")


@dataclass(frozen=True, kw_only=True)
class ConsentOptions(DryRunOptions):
    """A command that asks before it does what cannot be undone, or costs."""

    yes: bool = flag("-y", "--yes", help="do not ask for confirmation")


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """A command that inspects audio files."""

    check: CheckLevel = option(
        choices=("quick", "full", "none"),
        default="quick",
        help="how to look for damage: quick checks the structure, full also decodes all audio, "
        "none skips it (default: quick)",
    )
    fix_extension: bool = flag(
        help="go by the content of the file where its extension says otherwise"
    )
