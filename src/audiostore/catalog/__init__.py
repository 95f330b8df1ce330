"""The assets of a store: find, order, count, price and export them. See `manager.catalog`."""

from audiostore.catalog.catalog import Catalog, ProgressListener
from audiostore.catalog.columns import COLUMNS, GETTERS, Kind, Row, Value, row_of
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
from audiostore.catalog.query import SEARCHED_KEYS, Query, folded
from audiostore.catalog.shards.values import ExportedShard, ShardKeywords
from audiostore.catalog.sorting import SORT_KEYS, SortKey, sort_value
from audiostore.catalog.statistics import Statistics, Tally, summarise as statistics_of
from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.catalog.shards.exporting import (
        Destination as Destination,
        planned_shards as planned_shards,
        write_planned as write_planned,
    )
    from audiostore.catalog.shards.planning import PlannedShard as PlannedShard
else:
    __getattr__, _ = lazy_names(
        __name__,
        {
            "shards.exporting": "Destination planned_shards write_planned",
            "shards.planning": "PlannedShard",
        },
    )

__all__ = [
    "COLUMNS",
    "GETTERS",
    "SEARCHED_KEYS",
    "SORT_KEYS",
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
    "ShardKeywords",
    "SortKey",
    "Statistics",
    "Tally",
    "Value",
    "folded",
    "format_for",
    "require_writer",
    "row_of",
    "sort_value",
    "statistics_of",
    "write_assets",
    "write_csv",
    "write_rows",
]
