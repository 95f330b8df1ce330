"""Compare AsyncAudioStorageManager with AudioStorageManager in 64 threads, at 30 ms per response.

    python -m benchmarks.awaiting

Both look assets up, 64 at once, on the benchmark server; they take turns. The target is
0.9 times the throughput of the threads (median of the rounds). Exits with 1 if it is missed.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from audiostore import AsyncAudioStorageManager, AudioStorageManager
from benchmarks.listing import BUCKET, environment
from benchmarks.server import running

AT_ONCE = 64
CALLS = 3000
ROUNDS = 7
TARGET = 0.9


def in_threads(ids: Sequence[str]) -> tuple[float, float]:
    """Return calls a second, and the processor time of one, in microseconds."""
    with AudioStorageManager(BUCKET) as manager, ThreadPoolExecutor(AT_ONCE) as pool:
        manager.get(ids[0])  # connects
        started_s, before_s = time.perf_counter(), time.process_time()
        for _ in pool.map(manager.get, ids):
            pass
        return _rates(started_s, before_s)


async def awaited(ids: Sequence[str]) -> tuple[float, float]:
    """Return the same of coroutines."""
    async with AsyncAudioStorageManager(BUCKET) as manager:
        await manager.get(ids[0])
        left = iter(ids)

        async def work() -> None:
            for each in left:
                await manager.get(each)

        started_s, before_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return _rates(started_s, before_s)


def _rates(started_s: float, before_s: float) -> tuple[float, float]:
    taken_s, cpu_s = time.perf_counter() - started_s, time.process_time() - before_s
    return CALLS / taken_s, cpu_s / CALLS * 1e6


def main() -> int:
    """Print a table."""
    print("| | calls/s | CPU a call |\n|---|---:|---:|")
    threads, coroutines = [], []
    with running(preload=200, delay_ms=30) as server:
        os.environ.update(environment(server))
        with AudioStorageManager(BUCKET) as manager:
            known = [asset.audio_id for asset in manager.list()]
        ids = [known[number % len(known)] for number in range(CALLS)]
        for _ in range(ROUNDS):
            threads.append(in_threads(ids))
            coroutines.append(asyncio.run(awaited(ids)))
    for name, runs in (("64 threads", threads), ("asyncio, 64 at once", coroutines)):
        rate, cpu_us = (median(run[which] for run in runs) for which in (0, 1))
        print(f"| {name} | {rate:,.0f} | {cpu_us:.0f} µs |")
    ratio = median(own[0] / other[0] for own, other in zip(coroutines, threads, strict=True))
    print(f"asyncio reaches {ratio:.2f} times the rate of threads (target: {TARGET})")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
