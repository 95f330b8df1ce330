"""Whether a store holds what it should, and only that. See `manager.audit`."""

from audiostore.audit.audit import Audit
from audiostore.audit.checking import Checked
from audiostore.audit.inventory import InventoryReport
from audiostore.audit.problems import (
    GRACE,
    DeleteObject,
    Problem,
    RemoveForeignFile,
    Repair,
    RestoreAsset,
    UpdateObject,
)
from audiostore.audit.records import CheckRecord
from audiostore.audit.repairing import Repaired

__all__ = [
    "GRACE",
    "Audit",
    "CheckRecord",
    "Checked",
    "DeleteObject",
    "InventoryReport",
    "Problem",
    "RemoveForeignFile",
    "Repair",
    "Repaired",
    "RestoreAsset",
    "UpdateObject",
]
