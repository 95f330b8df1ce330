"""Many assets at once: uploads, downloads and copies, the journal, folders and manifests."""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.bulk.bulk import Bulk as Bulk
    from audiostore.bulk.copies import size_of as size_of
    from audiostore.bulk.downloads import name_by_id as name_by_id
    from audiostore.bulk.items import BulkItem as BulkItem
    from audiostore.bulk.items import CopyOutcome as CopyOutcome
    from audiostore.bulk.items import DownloadOutcome as DownloadOutcome
    from audiostore.bulk.items import UploadOutcome as UploadOutcome
    from audiostore.bulk.journal import FailedItem as FailedItem
    from audiostore.bulk.journal import Journal as Journal
    from audiostore.bulk.journal import RunInfo as RunInfo
    from audiostore.bulk.planning import Planned as Planned
    from audiostore.bulk.planning import plan_items as plan_items
    from audiostore.bulk.sources import IgnoredPath as IgnoredPath
    from audiostore.bulk.sources import Manifest as Manifest
    from audiostore.bulk.sources import ManifestProblem as ManifestProblem
    from audiostore.bulk.sources import check_manifest as check_manifest
    from audiostore.bulk.sources import find_items as find_items
else:  # imported when first used: a journal or a download does not need the inspection of files
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "bulk": ("Bulk",),
            "copies": ("size_of",),
            "downloads": ("name_by_id",),
            "items": ("BulkItem", "CopyOutcome", "DownloadOutcome", "UploadOutcome"),
            "journal": ("FailedItem", "Journal", "RunInfo"),
            "planning": ("Planned", "plan_items"),
            "sources": (
                "IgnoredPath",
                "Manifest",
                "ManifestProblem",
                "check_manifest",
                "find_items",
            ),
        },
    )
