"""Objects of another layout that become assets: which, with what metadata, at what cost."""

from audiostore.adopt.costs import CostSum, cost_of_copies
from audiostore.adopt.covers import KeyCovers
from audiostore.adopt.layouts import KeyLayout
from audiostore.adopt.selecting import Adopted, MapRows, Rules, Selection
from audiostore.adopt.values import (
    AdoptCost,
    Adoption,
    AdoptItem,
    Refusal,
    RefusalListener,
    RefusalReason,
)

__all__ = [
    "AdoptCost",
    "AdoptItem",
    "Adopted",
    "Adoption",
    "CostSum",
    "KeyCovers",
    "KeyLayout",
    "MapRows",
    "Refusal",
    "RefusalListener",
    "RefusalReason",
    "Rules",
    "Selection",
    "cost_of_copies",
]
