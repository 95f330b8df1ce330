"""The command line: parse, call the library, print. Data to stdout, all else to stderr.

Nothing of the library is imported before a command runs: ``--help`` and ``--version`` answer at
once (benchmarks/startup.py).
"""

import io
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress

from audiostore.cli.options.adding import UsageError
from audiostore.cli.output import say
from audiostore.cli.parser import build_parser

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 failed, 2 usage or bad input, 3 not found, 130 interrupted.

    Args:
        argv: the arguments behind the program's name; those of the process if None.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name must not fail to be printed
    return _finish(_run(argv))


def _run(argv: Sequence[str] | None) -> int:
    try:
        options = build_parser().parse_args(argv)
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
