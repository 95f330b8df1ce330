"""Many assets at once: what is to be stored, who keeps count, and the workers."""

from audiostore.bulk.copies import Copied, copy_many, size_of
from audiostore.bulk.downloads import download_many, named_by_id
from audiostore.bulk.items import BulkItem, Fetched, Outcome
from audiostore.bulk.journal import Journal, RunInfo
from audiostore.bulk.planning import Planned, plan_items
from audiostore.bulk.sources.folders import LeftOut, Tell, find_items
from audiostore.bulk.sources.manifest import Manifest, Problem, check_manifest
from audiostore.bulk.uploads import upload_many

__all__ = [
    "BulkItem",
    "Copied",
    "Fetched",
    "Journal",
    "LeftOut",
    "Manifest",
    "Outcome",
    "Planned",
    "Problem",
    "RunInfo",
    "Tell",
    "check_manifest",
    "copy_many",
    "download_many",
    "find_items",
    "named_by_id",
    "plan_items",
    "size_of",
    "upload_many",
]
