"""The assets of a store: find, order, count, price and export them. See `manager.catalog`."""

from audiostore.catalog.catalog import Catalog, ProgressListener
from audiostore.catalog.columns import COLUMNS, GETTERS, Kind, Row, Value
from audiostore.catalog.duplicates import DuplicateAssets
from audiostore.catalog.export import (
    ExportFormat,
    format_for,
    require_writer,
    write as write_assets,
    write_csv,
    write_rows,
)
from audiostore.catalog.prices import Cost, Rates
from audiostore.catalog.query import Query
from audiostore.catalog.shards.values import ExportedShard
from audiostore.catalog.sorting import SortKey
from audiostore.catalog.statistics import Statistics, Tally

__all__ = [
    "COLUMNS",
    "GETTERS",
    "Catalog",
    "Cost",
    "DuplicateAssets",
    "ExportFormat",
    "ExportedShard",
    "Kind",
    "ProgressListener",
    "Query",
    "Rates",
    "Row",
    "SortKey",
    "Statistics",
    "Tally",
    "Value",
    "format_for",
    "require_writer",
    "write_assets",
    "write_csv",
    "write_rows",
]
