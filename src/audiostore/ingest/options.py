"""How a file is inspected, prepared and stored: the options of an upload, as one value."""

from collections.abc import Mapping
from typing import Literal, TypedDict, Unpack

from audiostore.asset import check_custom_metadata, require_audio_id
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import shown
from audiostore.localfiles import MAX_OBJECT_BYTES
from audiostore.media import PREVIEW_BITRATES_KBPS, PREVIEW_KBPS
from audiostore.sourcepaths import is_source_path
from audiostore.stores import CacheScope, check_cache_scope

CheckLevel = Literal["quick", "full", "none"]
AnalyseChoice = bool | Literal["true-peak"]
PreviewChoice = bool | Literal["all"]
ArtworkChoice = Literal["embedded", "none"]
Cleanup = bool | Literal["always"]


class ThumbnailKeywords(TypedDict, total=False):
    """The fields of `UploadOptions` that storing artwork alone accepts as keyword arguments."""

    metadata: Mapping[str, str] | None
    cleanup: Cleanup
    check: CheckLevel
    thumbnail_max_px: int | None
    fix_extension: bool
    max_size_bytes: int
    cache: CacheScope


class UploadKeywords(ThumbnailKeywords, total=False):
    """The fields of `UploadOptions` as keyword arguments; each one given overrides the options."""

    artwork: ArtworkChoice
    faststart: bool
    analyse: AnalyseChoice
    preview: PreviewChoice
    preview_kbps: int
    supersedes: str | None
    trash_superseded: bool
    source_path: str | None
    id_is_new: bool


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """The options of an upload.

    Example::

        options = UploadOptions(check="full", thumbnail_max_px=1000)
        manager.upload_audio_file("song.mp3", options=options, metadata={"isrc": "GBAYE6800023"})

    Raises:
        InvalidMetadataError, InvalidAudioIdError: `metadata` or `supersedes` is not valid.
        ValueError: another option is not valid.
    """

    metadata: Mapping[str, str] | None = field(default=None, hash=False)
    """Custom metadata, stored with the audio object, or with the thumbnail if that is uploaded
    alone. At most 8 KiB together with the keys that audiostore adds."""
    cleanup: Cleanup = False
    """True deletes the local files once they are stored. "always" deletes them also if storing
    fails, but not if the upload is refused for bad input. With `thumbnail_max_px` or `faststart`,
    the converted version is stored, and the original file deleted."""
    check: CheckLevel = "quick"
    """"quick" inspects the file and refuses audio with signs of damage that are cheap to find;
    "full" also decodes all of it; "none" reads only its first bytes."""
    artwork: ArtworkChoice = "embedded"
    """"embedded" stores artwork from inside the audio file if no thumbnail is given."""
    thumbnail_max_px: int | None = None
    """Artwork is scaled down to this many pixels on its longer side; None stores it unchanged."""
    fix_extension: bool = False
    """Store each file with the extension of its content, whatever its own extension is."""
    faststart: bool = False
    """Move the index of an MP4 file to its front, without loss, so that players can start before
    they have the whole file."""
    analyse: AnalyseChoice = False
    """Measure the loudness (EBU R 128) and make the waveform, of which `StorageResult.loudness` and
    `overview` tell; "true-peak": also measure the true peak, which takes twice as long. One decode
    serves this and a full check. What cannot be analysed is stored all the same, with a warning."""
    preview: PreviewChoice = False
    """Make a version of the audio that every browser plays, in MP3, next to it (`part="preview"`):
    of what some browser does not play as it is stored, such as AIFF, ALAC or WMA; "all": of
    everything. One decode serves this, `analyse` and a full check; encoding takes some 2 s of CPU
    time a minute. Where it cannot be made, the audio is stored all the same, with a warning."""
    preview_kbps: int = PREVIEW_KBPS
    """The bit rate of the preview, if it is stereo: 64, 96, 128, 160, 192, 224, 256 or 320 kbit/s.
    Mono gets half of it."""
    max_size_bytes: int = 100_000_000_000
    """A file that has more bytes, or claims to, is refused before it is read: a sparse file of
    terabytes takes no room on a disk, and hours to read. At most 5 TiB, as a bucket allows."""
    cache: CacheScope = "private"
    """Who may cache the objects: "private" (the listener's player only), or "public" (shared caches
    too)."""
    supersedes: str | None = None
    """The id of the asset that the new one replaces: a corrected track is a new asset. Each of the
    two names the other, as `supersedes` and `superseded_by`."""
    trash_superseded: bool = False
    """Delete the superseded asset once the new one is stored."""
    source_path: str | None = None
    """Where the file was, relative to the directory that was stored, such as
    ``Nina Simone/Pastel Blues/01 Be My Husband.flac``: what a download rebuilds. In a bulk upload,
    each item has its own; without one, what supersedes an asset takes its place."""
    id_is_new: bool = False
    """The given id was just made from random bits, and no other upload uses it: it is not looked up
    before and after, which saves two requests. If it is not new after all, nothing is overwritten
    or mixed: what is stored with this content is returned, other content is a conflict. Two things
    are then not noticed, except by `audit.check`: audio of another format, which readers go on to
    see, and artwork that waits. So with `cleanup` the id is looked up before files are deleted."""

    def __post_init__(self) -> None:
        if self.metadata is not None:
            object.__setattr__(self, "metadata", check_custom_metadata(self.metadata))
        if not (isinstance(self.cleanup, bool) or self.cleanup == "always"):
            raise _invalid("cleanup", self.cleanup, "False, True or 'always'")
        if self.check not in ("quick", "full", "none"):
            raise _invalid("check", self.check, "'quick', 'full' or 'none'")
        if self.artwork not in ("embedded", "none"):
            raise _invalid("artwork", self.artwork, "'embedded' or 'none'")
        if not (isinstance(self.analyse, bool) or self.analyse == "true-peak"):
            raise _invalid("analyse", self.analyse, "False, True or 'true-peak'")
        if self.analyse and self.check == "none":
            raise ValueError("analyse decodes the file, and check is 'none': pass check='quick'")
        require_preview(self.preview, self.preview_kbps)
        if self.preview and self.check == "none":
            raise ValueError("a preview decodes the file, and check is 'none': pass check='quick'")
        px: object = self.thumbnail_max_px
        if px is not None and not (isinstance(px, int) and px is not True and px >= 1):
            raise _invalid("thumbnail_max_px", px, "at least 1, or None")
        size: object = self.max_size_bytes
        if not (isinstance(size, int) and size is not True and 1 <= size <= MAX_OBJECT_BYTES):
            raise _invalid("max_size_bytes", size, f"from 1 to {MAX_OBJECT_BYTES:,}")
        check_cache_scope(self.cache)
        if self.supersedes is not None:
            require_audio_id(self.supersedes)
        if self.source_path is not None and not is_source_path(self.source_path):
            raise _invalid(
                "source_path",
                self.source_path,
                "a relative path without '..', or None",
            )

    @property
    def takes_all_bytes(self) -> bool:
        """Whether all bytes of a file are needed before they are stored."""
        return self.check == "full" or self.faststart or bool(self.analyse or self.preview)

    @classmethod
    def of(
        cls, options: "UploadOptions | None" = None, **keywords: Unpack[UploadKeywords]
    ) -> "UploadOptions":
        """Return options (None: the defaults) with the given fields replaced.

        Raises:
            TypeError: a keyword is not a field.
            InvalidMetadataError, InvalidAudioIdError, ValueError: a value is not valid.
        """
        return replace(options or cls(), **keywords)


def require_preview(choice: PreviewChoice, kbps: int) -> None:
    """Require that a choice of previews is valid.

    Raises:
        ValueError: the choice or the bit rate is not one of those that there are.
    """
    if not (isinstance(choice, bool) or choice == "all"):
        raise _invalid("preview", choice, "False, True or 'all'")
    if kbps not in PREVIEW_BITRATES_KBPS:
        known = ", ".join(map(str, PREVIEW_BITRATES_KBPS))
        raise _invalid("preview_kbps", kbps, f"one of {known}")


def _invalid(name: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{name} is {shown(value)}: it must be {expected}")
