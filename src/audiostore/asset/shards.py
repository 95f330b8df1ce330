"""A part of a store, by the range of its ids."""

from itertools import pairwise
from typing import Self

from audiostore.asset.layout import FileOrganizer
from audiostore.dataclass import dataclass
from audiostore.patterns import pattern

_SHARD = pattern("([1-9][0-9]{0,8})/([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of a store that are about equally large.

    Together they are the whole store, and no object is in two of them. Which one an asset is in
    depends on its id alone. Ids that were not made at random may be spread unevenly.

    Example::

        for problem in manager.audit.check(shard=Shard(3, 64)):
            print(problem.name, problem.message)

    Raises:
        ValueError: the number is not from 1 to the count.
    """

    number: int
    """From 1."""
    count: int
    """Of how many."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"no shard {self.number} of {self.count}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard that is written as ``3/64``.

        Raises:
            ValueError: it is not written so, or its number is not from 1 to the count.
        """
        match = _SHARD.fullmatch(text)
        if match is None:
            raise ValueError(f"invalid shard {text!r} (example: 3/64, the third of 64)")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        return f"{self.number}/{self.count}"

    @property
    def after(self) -> str:
        """The name that those of its objects sort after; "" in the first shard."""
        return "" if self.number == 1 else _name(self.number - 1, self.count)

    @property
    def until(self) -> str | None:
        """The last name that an object in it can have; None in the last shard."""
        return None if self.number == self.count else _name(self.number, self.count)

    def holds(self, name: str) -> bool:
        """Say whether an object of this name is in it."""
        return name > self.after and (self.until is None or name <= self.until)


def _name(number: int, count: int) -> str:
    """Return the name after which the shard of this number ends."""
    # Not by the module uuid, which takes longer to import than an upload may.
    digits = f"{(number << 128) // count:032x}"
    begins = (0, 8, 12, 16, 20, 32)
    parts = (digits[begin:end] for begin, end in pairwise(begins))
    return f"{FileOrganizer.AUDIO_ROOT}/{'-'.join(parts)}"
