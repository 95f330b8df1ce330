"""The server on its own: `python -m tests.gcs_server --port 0 --port-file F`."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
from pathlib import Path

from .server import StrictServer


def main() -> None:
    """Serve for a bounded time; the port file is written once the server is ready."""
    parser = argparse.ArgumentParser(prog="python -m tests.gcs_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--bucket", action="append", default=[], help="may be repeated")
    parser.add_argument("--discard", action="store_true", help="keep sizes and checksums only")
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    with StrictServer(*options.bucket, port=options.port, discard=options.discard) as server:
        if options.port_file is not None:
            draft = options.port_file.with_name(options.port_file.name + ".draft")
            draft.write_text(f"{server.port}\n")
            draft.replace(options.port_file)
        print(server.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            ended.wait(options.seconds)


if __name__ == "__main__":
    main()
