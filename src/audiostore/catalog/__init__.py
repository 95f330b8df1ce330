"""Finding assets among many: filters, order, statistics, export."""

from audiostore.catalog.export import format_for, require_writer, write
from audiostore.catalog.finding import Catalog
from audiostore.catalog.prices import Cost, Rates, monthly_cost, read_rates
from audiostore.catalog.query import Query
from audiostore.catalog.statistics import Statistics, Tally, summarise

__all__ = [
    "Catalog",
    "Cost",
    "Query",
    "Rates",
    "Statistics",
    "Tally",
    "format_for",
    "monthly_cost",
    "read_rates",
    "require_writer",
    "summarise",
    "write",
]
