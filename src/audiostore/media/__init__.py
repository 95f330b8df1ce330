"""What a media file is, and what is in it: formats, facts, tags, artwork, damage.

Names are imported when first used: nobody who only reads what is stored loads a parser.
"""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.media.artwork import (
        check_image as check_image,
    )
    from audiostore.media.artwork import (
        scale_image as scale_image,
    )
    from audiostore.media.faststart import (
        needs_faststart as needs_faststart,
    )
    from audiostore.media.faststart import (
        write_faststart as write_faststart,
    )
    from audiostore.media.formats import (
        AUDIO_FORMATS as AUDIO_FORMATS,
    )
    from audiostore.media.formats import (
        IMAGE_FORMATS as IMAGE_FORMATS,
    )
    from audiostore.media.formats import (
        Format as Format,
    )
    from audiostore.media.formats import (
        Recognised as Recognised,
    )
    from audiostore.media.formats import (
        content_type_for as content_type_for,
    )
    from audiostore.media.formats import (
        identify as identify,
    )
    from audiostore.media.formats import (
        recognise_image as recognise_image,
    )
    from audiostore.media.formats import (
        require_audio as require_audio,
    )
    from audiostore.media.images import (
        MAX_IMAGE_BYTES as MAX_IMAGE_BYTES,
    )
    from audiostore.media.images import (
        identify_image as identify_image,
    )
    from audiostore.media.info import (
        Artwork as Artwork,
    )
    from audiostore.media.info import (
        AudioInfo as AudioInfo,
    )
    from audiostore.media.info import (
        Chapter as Chapter,
    )
    from audiostore.media.info import (
        DecodedInfo as DecodedInfo,
    )
    from audiostore.media.info import (
        ImageInfo as ImageInfo,
    )
    from audiostore.media.sandbox.pool import (
        decode_audio as decode_audio,
    )
    from audiostore.media.sandbox.pool import (
        prepare_children as prepare_children,
    )
    from audiostore.media.sandbox.pool import (
        probe_apart as probe_apart,
    )
    from audiostore.media.structure import (
        check_structure as check_structure,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "artwork": (
                "check_image",
                "scale_image",
            ),
            "faststart": (
                "needs_faststart",
                "write_faststart",
            ),
            "formats": (
                "AUDIO_FORMATS",
                "IMAGE_FORMATS",
                "Format",
                "Recognised",
                "content_type_for",
                "identify",
                "recognise_image",
                "require_audio",
            ),
            "images": (
                "MAX_IMAGE_BYTES",
                "identify_image",
            ),
            "info": (
                "Artwork",
                "AudioInfo",
                "Chapter",
                "DecodedInfo",
                "ImageInfo",
            ),
            "sandbox.pool": (
                "decode_audio",
                "prepare_children",
                "probe_apart",
            ),
            "structure": ("check_structure",),
        },
    )
