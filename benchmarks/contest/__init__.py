"""All peers, the same work, the same server, taking turns: see `python -m benchmarks --help`."""
