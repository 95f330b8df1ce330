"""Objects of another layout that become assets: which, with what metadata, at what cost."""

from audiostore.adopt.costs import CostSum, cost_of_copies
from audiostore.adopt.covers import KeyCovers, folded, folders_of
from audiostore.adopt.kinds import kind_of
from audiostore.adopt.layouts import KeyLayout
from audiostore.adopt.selecting import MapRows, Rules, Selection, Taken, own_uris
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
    "Taken",
    "cost_of_copies",
    "folded",
    "folders_of",
    "kind_of",
    "own_uris",
]
