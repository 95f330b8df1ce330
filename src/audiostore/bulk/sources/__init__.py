"""Where the items of a bulk upload come from: directories and manifests."""

from audiostore.bulk.sources.folders import (
    IgnoredPath,
    IgnoredPathListener,
    find_items,
    is_same_stem,
)
from audiostore.bulk.sources.manifest import Manifest, check_manifest
from audiostore.bulk.sources.rows import ManifestProblem, ManifestProblemListener

__all__ = [
    "IgnoredPath",
    "IgnoredPathListener",
    "Manifest",
    "ManifestProblem",
    "ManifestProblemListener",
    "check_manifest",
    "find_items",
    "is_same_stem",
]
