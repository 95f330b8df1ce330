"""What storage costs a month by a price table: Google's list prices, or the user's own.

The table is a TOML file; `prices.toml` in this package documents its format.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, TypeGuard

from audiostore.catalog.statistics import Statistics
from audiostore.dataclass import dataclass, field
from audiostore.errors import ConfigurationError
from audiostore.values import PathLike

_GIB = 1 << 30
# cloud.google.com/storage/docs/locations: multi-regions, and the dual-regions that have a name.
_MULTI_REGIONS = ("us", "eu", "asia")
_DUAL_REGIONS = ("asia1", "eur4", "eur5", "eur7", "eur8", "nam4")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a GiB costs a month in one kind of location.

    Example::

        cost = Rates.read("EUROPE-WEST3").monthly_cost(manager.catalog.statistics())
        print(f"{cost.total:.2f} {cost.rates.currency}")
    """

    location: str
    """As the price table names it: "region", "dual-region", "multi-region", "europe-west3" …"""
    title: str
    prices: Mapping[str, float] = field(hash=False)
    """By storage class."""
    currency: str
    source: str
    read_on: date
    class_a: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What a thousand operations cost that write, copy or list, by storage class of the object."""
    class_b: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What a thousand operations cost that read."""
    retrieval: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What reading or copying a GiB costs; classes without a price cost nothing."""

    @classmethod
    def read(cls, location: str, table: PathLike | None = None) -> "Rates":
        """Return the rates for a bucket's location, such as "US", "NAM4" or "europe-west3".

        Args:
            location: as the bucket's settings name it, or as the table does.
            table: a TOML file with prices; None for Google's list prices.

        Raises:
            ConfigurationError: the file is not a valid price table, or lacks the location.
            OSError: it cannot be read.
        """
        name = "the price table" if table is None else str(table)
        values = _read_table(table, name)
        locations = values.get("locations")
        if not isinstance(locations, dict):
            raise _invalid(table, "no [locations.…] tables")
        key = location.lower()
        if key not in locations:
            key = _kind(key)
        if key not in locations:
            known = ", ".join(sorted(locations))
            raise _invalid(table, f"no prices for {location!r}, only for {known}")
        row = locations[key]
        needed = row if isinstance(row, dict) else {}
        prices = _prices(table, key, needed, "prices")
        if not prices:
            raise _invalid(table, f"[locations.{key}] needs prices = {{ STANDARD = 0.02, … }}")
        read_on = needed.get("read_on")
        if not isinstance(read_on, date):
            raise _invalid(table, f"[locations.{key}] needs read_on = 2026-01-31")
        return cls(
            key,
            str(needed.get("title", key)),
            prices,
            str(values.get("currency", "USD")),
            str(values.get("source", name)),
            read_on,
            *(_prices(table, key, needed, each) for each in ("class_a", "class_b", "retrieval")),
        )

    def monthly_cost(self, statistics: Statistics) -> "Cost":
        """Return what assets cost a month at rest, if they stay as they are."""
        sizes = {key: tally.size_bytes for key, tally in statistics.by_storage_class.items()}
        return Cost(
            self,
            {k: size / _GIB * self.prices[k] for k, size in sizes.items() if k in self.prices},
            sum(size for k, size in sizes.items() if k not in self.prices),
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """What assets cost a month at rest. Requests, retrieval and traffic are not included."""

    rates: Rates
    by_storage_class: Mapping[str, float] = field(hash=False)
    unpriced_bytes: int
    """In storage classes that the price table lacks."""

    @property
    def total(self) -> float:
        """Of all storage classes."""
        return sum(self.by_storage_class.values())

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON types."""
        return {
            "currency": self.rates.currency,
            "total": round(self.total, 6),
            "by_storage_class": {k: round(v, 6) for k, v in self.by_storage_class.items()},
            "unpriced_bytes": self.unpriced_bytes,
            "location": self.rates.location,
            "source": self.rates.source,
            "read_on": self.rates.read_on.isoformat(),
        }


def _read_table(table: PathLike | None, name: str) -> dict[str, Any]:
    try:
        if table is None:
            text = resources.files("audiostore.catalog").joinpath("prices.toml").read_text("utf-8")
        else:
            text = Path(table).read_text("utf-8")
        return tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _invalid(table, f"not valid TOML: {error}") from error


def _invalid(table: PathLike | None, why: str) -> ConfigurationError:
    name = "the price table" if table is None else f"price table {str(table)!r}"
    return ConfigurationError(f"{name}: {why}", path=table)


def _kind(location: str) -> str:
    if location in _MULTI_REGIONS:
        return "multi-region"
    return "dual-region" if location in _DUAL_REGIONS else "region"


def _prices(
    table: PathLike | None, location: str, row: Mapping[str, Any], name: str
) -> dict[str, float]:
    """Return prices by storage class; {} if the location has none.

    Raises:
        ConfigurationError: they are not numbers.
    """
    prices = row.get(name, {})
    if not _are_prices(prices):
        raise _invalid(table, f"[locations.{location}] needs {name} = {{ STANDARD = 0.02, … }}")
    return {storage_class.upper(): float(price) for storage_class, price in prices.items()}


def _are_prices(value: object) -> TypeGuard[dict[str, float]]:
    return isinstance(value, dict) and all(
        isinstance(price, int | float) and not isinstance(price, bool) and price >= 0
        for price in value.values()
    )
