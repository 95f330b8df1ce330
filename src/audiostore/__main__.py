"""The command ``audiostore``, which is also ``python -m audiostore``."""

import sys


def run() -> int:
    """Run the command line; until a command begins, Ctrl-C ends the process without a traceback."""
    import gc  # noqa: PLC0415  (not for a module that only looks at this one)
    import signal  # noqa: PLC0415

    gc.set_threshold(
        10_000
    )  # nearly all that a command imports is kept: look for garbage less often

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from audiostore.cli import main  # noqa: PLC0415  (after that)

    return main()


if __name__ == "__main__":
    sys.exit(run())
