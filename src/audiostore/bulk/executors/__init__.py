"""Running many tasks at once: processes, threads, and how many of them."""

from audiostore.bulk.executors.engine import Job, RunOptions, execute, run
from audiostore.bulk.executors.tasks import Batch, Ended, InputReader, Task, UnrecordedTasks
from audiostore.bulk.executors.thread_pool import ThreadPool

__all__ = [
    "Batch",
    "Ended",
    "InputReader",
    "Job",
    "RunOptions",
    "Task",
    "ThreadPool",
    "UnrecordedTasks",
    "execute",
    "run",
]
