"""The peers of the benchmarks: each module runs as a process, with a job in a file.

    python -m benchmarks.peers.libcurl upload JOB.json

All peers store the same files under the same names, over the same protocol, and verify the result
in their own way.
"""
