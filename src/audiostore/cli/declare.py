"""How a command declares its arguments: as the typed fields of its options.

::

    class Options(StoreOptions, JsonOptions):
        files: tuple[str, ...] = arguments("FILE", "audio files")
        title: str | None = option(metavar="TEXT", help="title, instead of the file's own")
        public: bool = flag(help="let shared caches keep the file")

A field named ``min_size`` is written ``--min-size`` unless it names its flags. To a type checker,
options are a frozen dataclass. They are not one: that alone would double the time of ``--help``.
"""

from __future__ import annotations

from audiostore.cli.values import duration, object_size

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, dataclass_transform

    from audiostore.ingest import CheckLevel
else:

    def dataclass_transform(**_):
        """Do nothing: it is for type checkers."""
        return lambda declared: declared


_COMMON = "common options"
_REQUIRED = object()
"""The default of what must be given."""


class Argument:
    """How one field is written on the command line.

    Args:
        flags: None: a positional argument. Empty: the field's name.
        keywords: what `argparse` is to know.
        default: the value if it is not given.
        group: the heading in the help; none: that of all options.
        excludes: of the arguments with the same word here, at most one can be given.
        opposite: the flag that sets the field to False instead of True, and its help.
        files: which file names a shell completes: any, audio, images, lists or folders; None: none.
    """

    def __init__(
        self,
        flags: tuple[str, ...] | None,
        keywords: dict[str, object],
        default: object,
        *,
        group: str = "",
        excludes: str = "",
        opposite: tuple[str, str] | None = None,
        files: str | None = None,
    ) -> None:
        self.flags = flags
        self.keywords = keywords
        self.default = default
        self.group = group
        self.excludes = excludes
        self.opposite = opposite
        self.files = files

    @property
    def is_common(self) -> bool:
        """Whether the option may stand before the command as well as after it."""
        return self.group == _COMMON


def argument(
    metavar: str,
    help: str,
    *,
    default: object = _REQUIRED,
    parse: Callable[[str], object] = str,
    choices: Sequence[str] | None = None,
    files: str | None = None,
) -> Any:
    """Declare a positional argument; with a default, it can be left out."""
    keywords: dict[str, object] = {
        "metavar": metavar,
        "help": help,
        "type": parse,
        "choices": choices,
        "nargs": None if default is _REQUIRED else "?",
    }
    return Argument(None, keywords, default, files=files)


def arguments(
    metavar: str,
    help: str,
    *,
    required: bool = False,
    parse: Callable[[str], object] = str,
    files: str | None = None,
) -> Any:
    """Declare any number of positional arguments, a tuple; `required`: at least one."""
    keywords: dict[str, object] = {
        "metavar": metavar,
        "help": help,
        "type": parse,
        "nargs": "+" if required else "*",
    }
    return Argument(None, keywords, _REQUIRED if required else (), files=files)


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
    files: str | None = None,
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
        default = _REQUIRED
    elif repeatable:
        default = ()
    return Argument(flags, keywords, default, group=group, excludes=excludes, files=files)


def flag(*flags: str, help: str, group: str = "", excludes: str = "") -> Any:
    """Declare an option without a value, a bool."""
    keywords: dict[str, object] = {"action": "store_true", "help": help}
    return Argument(flags, keywords, False, group=group, excludes=excludes)


def either(yes: str, yes_help: str, no: str, no_help: str, *, group: str = "") -> Any:
    """Declare two opposite flags: True, False, or None if neither is given."""
    keywords: dict[str, object] = {"action": "store_const", "const": True, "help": yes_help}
    return Argument((yes,), keywords, None, group=group, excludes=yes, opposite=(no, no_help))


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(argument, arguments, option, flag, either),
)
class Declared:
    """Options whose fields declare how they are written; their values cannot be changed."""

    def __init__(self, **given: object) -> None:
        values = {name: each.default for name, each in fields_of(type(self)).items()} | given
        if missing := [name for name, value in values.items() if value is _REQUIRED]:
            raise TypeError(f"missing options: {', '.join(missing)}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot change the option {name!r}")


def fields_of(options: type) -> dict[str, Argument]:
    """Return the fields of options by name, those of the bases first."""
    return {
        name: value
        for base in reversed(options.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, Argument)
    }


# --- what several commands have -------------------------------------------------------------------


class CommonOptions(Declared):
    """What every command has."""

    debug: bool = flag(help="show the traceback of an error", group=_COMMON)
    verbose: bool = flag(
        "-v",
        "--verbose",
        help="show details: the store, retries, what is skipped and why",
        group=_COMMON,
    )
    quiet: bool = flag("-q", "--quiet", help="print only the output and errors", group=_COMMON)


class JsonOptions(CommonOptions):
    """A command that prints JSON if asked."""

    json: bool = flag(help="print JSON, one object per line, on standard error too", group=_COMMON)


class LocationOptions(CommonOptions):
    """A command that names a store."""

    bucket: str | None = option(
        metavar="URL",
        help="the store: my-bucket, gs://my-bucket/prefix, ./dir or file:///some/dir "
        "(default: $GCS_BUCKET_NAME, else ~/.local/share/audiostore)",
        group=_COMMON,
    )
    store: str | None = option(
        metavar="NAME",
        help="the store with this name in the configuration (default: $AUDIOSTORE_STORE)",
        group=_COMMON,
    )


class RetryOptions(CommonOptions):
    """A command that outlasts an outage of a store."""

    retry_for: float | None = option(
        metavar="DURATION",
        parse=duration,
        help="how long to retry when the store fails, such as 30s or 1h; 0 disables retries "
        "(default: 2m)",
    )


class BillingOptions(CommonOptions):
    """A command on a bucket that may bill the requester."""

    billing_project: str | None = option(
        metavar="PROJECT",
        help="project that pays for requests to a requester-pays bucket "
        "(default: $GCS_BILLING_PROJECT)",
    )


class StoreOptions(LocationOptions, RetryOptions, BillingOptions):
    """A command on a store."""


class DryRunOptions(Declared):
    """A command that can print what it would do."""

    dry_run: bool = flag("-n", "--dry-run", help="print what would be done, and do nothing")


class ConsentOptions(DryRunOptions):
    """A command that asks before it does what cannot be undone, or costs."""

    yes: bool = flag("-y", "--yes", help="do not ask for confirmation")


class CheckOptions(Declared):
    """A command that inspects audio files."""

    check: CheckLevel = option(
        choices=("quick", "full", "none"),
        default="quick",
        help="how to look for damage: quick checks the structure, full also decodes all audio, "
        "none skips it (default: quick)",
    )
    fix_extension: bool = flag(
        help="accept a file whose extension does not match its content, and go by the content"
    )
    max_size: int | None = option(
        metavar="SIZE",
        parse=object_size,
        help="reject larger files, such as sparse ones that claim terabytes (default: 100GB)",
    )
