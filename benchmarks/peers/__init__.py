"""Who takes part in the benchmarks: each module is run as a process, with a job in a file.

    python -m benchmarks.peers.libcurl JOB.json

All store the same files under the same layout, over the same protocol, and verify what they did in
the way that is their own.
"""
