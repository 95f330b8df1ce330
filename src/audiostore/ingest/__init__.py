"""From local files to a stored asset: options, preparation, resuming, cleanup.

Only uploads import this package: reading, listing and deleting assets do not.
"""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.ingest.analyses import Analyses as Analyses, AnalysisChoice as AnalysisChoice
    from audiostore.ingest.analysing import has_analysis as has_analysis
    from audiostore.ingest.attachments import (
        MAX_ATTACHMENT_BYTES as MAX_ATTACHMENT_BYTES,
        prepare_attachment as prepare_attachment,
    )
    from audiostore.ingest.options import (
        AnalyseChoice as AnalyseChoice,
        ArtworkChoice as ArtworkChoice,
        CheckLevel as CheckLevel,
        Cleanup as Cleanup,
        PreviewChoice as PreviewChoice,
        ThumbnailKeywords as ThumbnailKeywords,
        UploadKeywords as UploadKeywords,
        UploadOptions as UploadOptions,
    )
    from audiostore.ingest.prepare import (
        nameless_file as nameless_file,
        prepare_audio as prepare_audio,
        prepare_image as prepare_image,
    )
    from audiostore.ingest.previews import lacks_preview as lacks_preview
    from audiostore.ingest.resume import ChosenId as ChosenId, ResumableIds as ResumableIds
    from audiostore.ingest.spooling import (
        AudioInput as AudioInput,
        ReadableStream as ReadableStream,
        Spool as Spool,
        require_streamable as require_streamable,
        spooled as spooled,
    )
    from audiostore.ingest.stored import StoredFile as StoredFile
    from audiostore.ingest.uploads import (
        GivenId as GivenId,
        NewId as NewId,
        Upload as Upload,
        Uploads as Uploads,
    )
else:  # imported when first used: options and ids do not need the inspection of files
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "analyses": "Analyses AnalysisChoice",
            "analysing": "has_analysis",
            "attachments": "MAX_ATTACHMENT_BYTES prepare_attachment",
            "options": (
                "AnalyseChoice ArtworkChoice CheckLevel Cleanup PreviewChoice ThumbnailKeywords "
                "UploadKeywords UploadOptions"
            ),
            "prepare": "nameless_file prepare_audio prepare_image",
            "previews": "lacks_preview",
            "resume": "ChosenId ResumableIds",
            "spooling": "AudioInput ReadableStream Spool require_streamable spooled",
            "stored": "StoredFile",
            "uploads": "GivenId NewId Upload Uploads",
        },
    )
