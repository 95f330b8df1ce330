"""From local files to a stored asset: options, preparation, resuming, cleanup."""

from audiostore.ingest.cleanup import Cleanup
from audiostore.ingest.prepare import (
    ArtworkChoice,
    CheckLevel,
    Intake,
    PathLike,
    take_audio,
    take_image,
)
from audiostore.ingest.resume import ChosenId, UploadIds
from audiostore.ingest.uploads import GivenId, Upload, Uploads, result_of

__all__ = [
    "ArtworkChoice",
    "CheckLevel",
    "ChosenId",
    "Cleanup",
    "GivenId",
    "Intake",
    "PathLike",
    "Upload",
    "UploadIds",
    "Uploads",
    "result_of",
    "take_audio",
    "take_image",
]
