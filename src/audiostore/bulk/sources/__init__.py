"""Where the items of a bulk upload come from: directories and manifests."""

from audiostore.bulk.sources.covers import COVER_NAMES, is_disc, is_same_stem
from audiostore.bulk.sources.directories import IgnoredPath, IgnoredPathListener, SeenFolders
from audiostore.bulk.sources.folders import Search, SearchOptions, find_items
from audiostore.bulk.sources.lists import find_listed_items, read_names
from audiostore.bulk.sources.manifest import Manifest, check_manifest
from audiostore.bulk.sources.patterns import PathPatterns
from audiostore.bulk.sources.rows import ManifestProblem, ManifestProblemListener

__all__ = [
    "COVER_NAMES",
    "IgnoredPath",
    "IgnoredPathListener",
    "Manifest",
    "ManifestProblem",
    "ManifestProblemListener",
    "PathPatterns",
    "Search",
    "SearchOptions",
    "SeenFolders",
    "check_manifest",
    "find_items",
    "find_listed_items",
    "is_disc",
    "is_same_stem",
    "read_names",
]
