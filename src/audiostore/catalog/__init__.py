"""The assets of a store: find, order, count, price and export them. See `manager.catalog`."""

from audiostore.catalog.catalog import Catalog, ProgressListener
from audiostore.catalog.duplicates import DuplicateAssets
from audiostore.catalog.export import ExportFormat, format_for, require_writer
from audiostore.catalog.prices import Cost, Rates
from audiostore.catalog.query import Query
from audiostore.catalog.sorting import SortKey
from audiostore.catalog.statistics import Statistics, Tally

__all__ = [
    "Catalog",
    "Cost",
    "DuplicateAssets",
    "ExportFormat",
    "ProgressListener",
    "Query",
    "Rates",
    "SortKey",
    "Statistics",
    "Tally",
    "format_for",
    "require_writer",
]
