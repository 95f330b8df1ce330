"""The command line: parse, call the library, print. Data to stdout, all else to stderr.

Nothing of the library is imported before a command runs: ``--help`` and ``--version`` answer at
once (benchmarks/startup.py).
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from audiostore import __version__
from audiostore.cli.output import say

TYPE_CHECKING = False  # typing itself would take longer to import than argparse
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 failed, 2 usage or bad input, 3 not found, 130 interrupted.

    Args:
        argv: the arguments behind the program's name; those of the process if None.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name must not fail to be printed
    arguments = list(sys.argv[1:] if argv is None else argv)
    return _finish(0 if _is_answered_at_once(arguments) else _run(arguments))


def _is_answered_at_once(arguments: list[str]) -> bool:
    """Print the version, or the help of the whole, if that is all that is asked for."""
    if arguments == ["--version"]:
        with suppress(OSError):  # as argparse does; `_finish` tells of what is buffered
            print(f"audiostore {__version__}")
        return True
    if arguments in (["--help"], ["-h"]):
        from audiostore.cli.parser import build_overview  # noqa: PLC0415  (not for --version)

        build_overview().print_help()
        return True
    return False


def _run(arguments: list[str]) -> int:
    from audiostore.cli.options.adding import UsageError  # noqa: PLC0415  (not for --version)
    from audiostore.cli.parser import build_parser  # noqa: PLC0415

    try:
        options = build_parser(arguments[0] if arguments else None).parse_args(arguments)
    except UsageError as error:
        say("error", str(error))
        return 2
    except SystemExit:  # argparse has printed the help or the version
        return 0
    from audiostore.cli.signals import stopping_on_signals  # noqa: PLC0415

    try:
        with stopping_on_signals():
            return _call(options)
    except KeyboardInterrupt:
        say("interrupted", "run the same command again to go on")
        return INTERRUPTED
    except BrokenPipeError:
        return 1  # whoever read our output has seen enough
    except Exception as error:  # noqa: BLE001  (the last line of defence: it is told in one line)
        from audiostore.cli import failures  # noqa: PLC0415

        if options.debug:
            failures.print_traceback(error)
        say("error", failures.sentence(error))
        return failures.exit_code(error)


def _call(options: Namespace) -> int:
    from importlib import import_module  # noqa: PLC0415  (not for --help)

    module, _, function = options.run.partition(".")
    command: Callable[[Namespace], int] = getattr(
        import_module(f"audiostore.cli.commands.{module}"), function
    )
    return command(options)


def _finish(code: int) -> int:
    """Write out what is buffered, so that a failure to do so is noticed here."""
    try:
        print(end="", flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError) and code == 0:
            say("error", f"cannot write to standard output: {error.strerror}")
        _discard_output()
        return code or 1
    return code


def _discard_output() -> None:
    """Let Python's own last flush go nowhere, instead of failing again with a traceback."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
