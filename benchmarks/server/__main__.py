"""Run the server by hand: python -m benchmarks.server --preload 200000 --delay-ms 30."""

import argparse
import time

from benchmarks.server import CA_VARIABLES, running


def main() -> None:
    """Serve until interrupted, or for an hour."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument(
        "--preload", type=int, default=0, help="number of assets in the bucket `bench`"
    )
    parser.add_argument("--delay-ms", type=float, default=0, help="delay of each response")
    parser.add_argument("--keep", action="store_true", help="keep the bytes of uploads")
    parser.add_argument("--threads", type=int, default=2, help="threads that serve requests")
    options = parser.parse_args()
    with running(**vars(options)) as server:
        print(f"plain  {server.url}\nTLS    {server.tls_url}\n")
        print(f"export STORAGE_EMULATOR_HOST={server.tls_url}")
        for name in CA_VARIABLES:
            print(f"export {name}={server.certificates.bundle}")
        try:
            time.sleep(3600)
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
