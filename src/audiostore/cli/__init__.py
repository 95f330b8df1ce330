"""The command line: parse, call the library, print. Data to stdout, all else to stderr.

A command is one file in `commands/`; see `audiostore.cli.registry`. Nothing of the library is
imported before a command runs: ``--help`` and ``--version`` answer at once (benchmarks/startup.py).
"""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import ExitStack, contextmanager, suppress

from audiostore import __version__
from audiostore.cli.output import guarded, say, voice

TYPE_CHECKING = False  # typing itself would take longer to import than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CUT_OFF = 141
_OBJECTS_A_COLLECTION = 50_000
"""So many more objects, and garbage is looked for: imports alone make more than a thousand."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 failed, 2 usage error or bad input, 3 not found, 4 partly failed, 130 interrupted,
    141 the reader of the output has closed it (128 + SIGPIPE, as a shell reports it of others).

    Args:
        argv: the arguments after the program's name; those of the process if None.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # any name can be printed
    arguments = list(sys.argv[1:] if argv is None else argv)
    code = 0
    with guarded(), _few_collections():
        try:
            code = 0 if _is_answered_at_once(arguments) else _run(arguments)
            print(end="", flush=True)  # so that a failure is noticed here
        except BrokenPipeError:
            code = code or _CUT_OFF
            _discard_output()
        except OSError as error:
            if code == 0:
                say("error", f"cannot write to standard output: {error.strerror}")
            code = code or 1
            _discard_output()
        if argv is None:  # the process ends: searching all that was imported would take 40 ms,
            gc.freeze()  # and the usual threshold would have it searched at once
    return code


def _is_answered_at_once(arguments: list[str]) -> bool:
    """Print the version or the overview, if that is all that is asked for."""
    if arguments == ["--version"]:
        print(f"audiostore {__version__}")
        return True
    if arguments in (["--help"], ["-h"], ["help"]):
        from audiostore.cli.parser import build_overview  # noqa: PLC0415  (not for --version)

        build_overview().print_help()
        return True
    return False


def _run(arguments: list[str]) -> int:
    from audiostore.cli import failures, hints, places  # noqa: PLC0415  (not for --version)
    from audiostore.cli.parser import parse  # noqa: PLC0415

    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    voice.json = "--json" in words  # a usage error, too, is an object then
    try:
        run, options = parse(arguments)
    except failures.UsageError as error:
        failures.report(error)
        return failures.BAD_INPUT
    except SystemExit:  # argparse has printed the help or the version
        return 0
    voice.quiet, voice.verbose = options.quiet, options.verbose
    places.forget()
    hints.forget()
    from audiostore.cli.signals import stopping_on_signals  # noqa: PLC0415  (not for --help)

    try:
        with ExitStack() as stack:
            stack.enter_context(stopping_on_signals())
            if options.verbose:
                from audiostore.cli.logs import printed_logs  # noqa: PLC0415  (not for --help)

                stack.enter_context(printed_logs())
            return run(options)
    except KeyboardInterrupt:
        say("interrupted", "run the same command again to resume")
        return failures.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  (the last line of defence: it is printed in one line)
        failures.report(error, debug=options.debug)
        return failures.exit_code(error)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Look for garbage seldom in the body: it takes 7 % of a short command, and finds none."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS_A_COLLECTION, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _discard_output() -> None:
    """Redirect Python's own last flush to nowhere, so that it does not fail with a traceback."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
