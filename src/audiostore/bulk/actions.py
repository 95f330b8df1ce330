"""Doing the same with each of many assets: a request or two for each, many at once."""

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from audiostore.bulk.executors import Job, RunOptions, UnrecordedTasks, execute
from audiostore.dataclass import dataclass

if TYPE_CHECKING:
    from audiostore.manager import AudioStorageManager

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ActionOutcome(Generic[T, R]):
    """The result of an action on one item."""

    index: int
    """Position of the item in the input, from 0."""
    item: T
    result: R | None
    """What the action returned; None if it failed."""
    error: Exception | None
    size_bytes: int = 0
    """Always 0: what an action transfers is not known."""


def apply_to_each(
    manager: "AudioStorageManager",
    action: Callable[[T], R],
    items: Iterable[T],
    options: RunOptions,
) -> Generator[ActionOutcome[T, R], None, None]:
    """Call an action with each item, in threads (see `Bulk.apply`)."""

    def perform(numbered: tuple[int, T]) -> ActionOutcome[T, R]:
        index, item = numbered
        try:
            return ActionOutcome(index, item, action(item), None)
        except Exception as error:  # noqa: BLE001  (it is reported as this item's outcome)
            return failed(numbered, error)

    def failed(numbered: tuple[int, T], error: Exception) -> ActionOutcome[T, R]:
        index, item = numbered
        return ActionOutcome(index, item, None, error)

    tasks: UnrecordedTasks[T, ActionOutcome[T, R]] = UnrecordedTasks(items)
    return execute(tasks, Job(perform, failed, [manager._notify]), options)
