"""What a media file is and what is in it: formats, facts, tags, artwork, damage.

`inspect_audio` and `inspect_image` say what a file contains, or raise why it cannot be stored.
Names are imported when first used: reading what is stored loads no parser.
"""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.media.decoding import (
        AnalyseChoice as AnalyseChoice,
        analyse_file as analyse_file,
    )
    from audiostore.media.faststart import write_faststart as write_faststart
    from audiostore.media.formats import (
        AUDIO_FORMATS as AUDIO_FORMATS,
        IMAGE_FORMATS as IMAGE_FORMATS,
        format_of as format_of,
        may_need_worker as may_need_worker,
    )
    from audiostore.media.info import (
        PREVIEW_BITRATES_KBPS as PREVIEW_BITRATES_KBPS,
        PREVIEW_KBPS as PREVIEW_KBPS,
        AnalysedAudio as AnalysedAudio,
        Artwork as Artwork,
        AudioInfo as AudioInfo,
        Chapter as Chapter,
        DecodedInfo as DecodedInfo,
        ImageInfo as ImageInfo,
        PreviewInfo as PreviewInfo,
        PreviewTarget as PreviewTarget,
    )
    from audiostore.media.inspection import (
        InspectedAudio as InspectedAudio,
        InspectedImage as InspectedImage,
        inspect_audio as inspect_audio,
        inspect_image as inspect_image,
    )
    from audiostore.media.kinds import Format as Format
    from audiostore.media.partial import PartialFile as PartialFile
    from audiostore.media.preview import (
        PREVIEW_EXTENSION as PREVIEW_EXTENSION,
        needs_preview as needs_preview,
    )
    from audiostore.media.recognition import identify as identify
    from audiostore.media.sandbox.early import start_early as start_early
    from audiostore.media.sandbox.pool import (
        limit_workers as limit_workers,
        start_workers as start_workers,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "decoding": "AnalyseChoice analyse_file",
            "faststart": "write_faststart",
            "formats": "AUDIO_FORMATS IMAGE_FORMATS format_of may_need_worker",
            "info": (
                "PREVIEW_BITRATES_KBPS PREVIEW_KBPS AnalysedAudio Artwork AudioInfo Chapter "
                "DecodedInfo ImageInfo PreviewInfo PreviewTarget"
            ),
            "inspection": "InspectedAudio InspectedImage inspect_audio inspect_image",
            "kinds": "Format",
            "partial": "PartialFile",
            "preview": "PREVIEW_EXTENSION needs_preview",
            "recognition": "identify",
            "sandbox.early": "start_early",
            "sandbox.pool": "limit_workers start_workers",
        },
    )
