"""Which of several workers this process is, as engines tell it."""

from __future__ import annotations

from audiostore.cli.failures import UsageError

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Mapping

# They count from 0. Kubernetes does not tell how many there are.
_ENGINES = (
    ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
    ("BATCH_TASK_INDEX", "BATCH_TASK_COUNT"),
    ("JOB_COMPLETION_INDEX", ""),
)


def place_of(index: int | None, count: int | None, environ: Mapping[str, str]) -> tuple[int, int]:
    """Return the index of this worker, from 0, and how many there are; alone, it is 0 of 1.

    Args:
        index: the one that was given, which goes before what an engine tells.
        count: likewise.
        environ: where engines tell both.

    Raises:
        UsageError: the index is known, but not the count; or they do not fit together.
    """
    own_index, own_count = _from_engine(environ)
    count = own_count if count is None else count
    if index is None and own_index is not None:
        index = own_index % (count or own_index + 1)  # a job may have more tasks than --count
    if index is None and count is None:
        return 0, 1
    if count is None:
        raise UsageError(f"this is worker {index}, but of how many? Give --count N")
    if index is None:
        raise UsageError("--count needs --index N, the number of this worker from 0")
    if not 0 <= index < count:
        raise UsageError(f"no worker {index} of {count}: they are numbered from 0")
    return index, count


def _from_engine(environ: Mapping[str, str]) -> tuple[int | None, int | None]:
    for name, of in _ENGINES:
        if name in environ:
            return _number(environ, name), _number(environ, of) if of in environ else None
    if "SLURM_ARRAY_TASK_ID" in environ and "SLURM_ARRAY_TASK_COUNT" in environ:
        # Arrays begin at any number, in steps: what matters is that each has another index.
        step = max(1, _number(environ, "SLURM_ARRAY_TASK_STEP", "1"))
        number = _number(environ, "SLURM_ARRAY_TASK_ID")
        return number // step, _number(environ, "SLURM_ARRAY_TASK_COUNT")
    return None, None


def _number(environ: Mapping[str, str], name: str, default: str = "") -> int:
    text = environ.get(name, default)
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(
            f"{name} is {text!r}: it must be a number; --index and --count take precedence"
        )
    return int(text)
