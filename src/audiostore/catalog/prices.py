"""What storing costs a month, by a table of prices: Google's list prices, or the user's own.

The table is a TOML file; `prices.toml`, beside this module, explains itself.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TypeGuard

from audiostore.catalog.statistics import Statistics
from audiostore.errors import ConfigurationError

_GIB = 1 << 30
# cloud.google.com/storage/docs/locations: multi-regions, and the dual-regions that have a name.
_MULTI_REGIONS = ("us", "eu", "asia")
_DUAL_REGIONS = ("asia1", "eur4", "eur5", "eur7", "eur8", "nam4")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a GiB costs a month in one kind of place."""

    location: str
    """The table's name for it: "region", "dual-region", "multi-region", "europe-west3" …"""
    title: str
    prices: Mapping[str, float] = field(hash=False)
    """By storage class."""
    currency: str
    source: str
    read_on: date


@dataclass(frozen=True, slots=True)
class Cost:
    """What assets cost a month, at rest."""

    rates: Rates
    by_storage_class: Mapping[str, float] = field(hash=False)
    unpriced_bytes: int
    """Of storage classes that the table does not know."""

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


def read_rates(location: str, table: Path | None = None) -> Rates:
    """Return the rates for a bucket's location, such as "US", "NAM4" or "europe-west3".

    Args:
        location: as the bucket says it; or a name that the table has.
        table: the file of prices; None for Google's list prices.

    Raises:
        ConfigurationError: the file is no table of prices, or has none for the location.
        OSError: it cannot be read.
    """
    name = str(table or "the price table")
    if table is None:
        text = resources.files(__package__).joinpath("prices.toml").read_text("utf-8")
    else:
        try:
            text = table.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{name} is no text in UTF-8") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name} is no TOML: {error}") from error
    locations = values.get("locations")
    if not isinstance(locations, dict):
        raise ConfigurationError(f"{name} has no [locations.…]: see 'audiostore stats --help'")
    key = location.lower()
    if key not in locations:
        key = _kind(key)
    if key not in locations:
        raise ConfigurationError(
            f"{name} has no prices for {location!r}: it knows {', '.join(sorted(locations))}"
        )
    row = locations[key]
    prices = row.get("prices") if isinstance(row, dict) else None
    if not _are_prices(prices):
        raise ConfigurationError(
            f"{name}: [locations.{key}] needs prices = {{ STANDARD = 0.02, … }}"
        )
    read_on = row.get("read_on")
    if not isinstance(read_on, date):
        raise ConfigurationError(f"{name}: [locations.{key}] needs read_on = 2026-01-31")
    return Rates(
        key,
        str(row.get("title", key)),
        {storage_class.upper(): float(price) for storage_class, price in prices.items()},
        str(values.get("currency", "USD")),
        str(values.get("source", name)),
        read_on,
    )


def monthly_cost(statistics: Statistics, rates: Rates) -> Cost:
    """Return what the assets cost a month, if they stay as they are."""
    sizes = {key: tally.size_bytes for key, tally in statistics.by_storage_class.items()}
    return Cost(
        rates,
        {k: size / _GIB * rates.prices[k] for k, size in sizes.items() if k in rates.prices},
        sum(size for k, size in sizes.items() if k not in rates.prices),
    )


def _kind(location: str) -> str:
    if location in _MULTI_REGIONS:
        return "multi-region"
    return "dual-region" if location in _DUAL_REGIONS else "region"


def _are_prices(value: object) -> TypeGuard[dict[str, float]]:
    return isinstance(value, dict) and all(
        isinstance(price, int | float) and not isinstance(price, bool) and price >= 0
        for price in value.values()
    )
