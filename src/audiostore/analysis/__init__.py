"""What analysing audio gives, as pure values: loudness, an overview to draw, a zoomable waveform.

`audiostore.media` makes them, in the sandbox. Here they are written, read and drawn.
"""

from audiostore.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from audiostore.analysis.building import WaveformBuilder as WaveformBuilder
    from audiostore.analysis.drawing import (
        to_blocks as to_blocks,
        to_png as to_png,
        to_svg as to_svg,
    )
    from audiostore.analysis.keys import (
        ANALYSIS_KEYS as ANALYSIS_KEYS,
        LOUDNESS_KEYS as LOUDNESS_KEYS,
        MAX_WAVEFORM_BYTES as MAX_WAVEFORM_BYTES,
    )
    from audiostore.analysis.loudness import Loudness as Loudness
    from audiostore.analysis.overview import (
        BARS as BARS,
        MAX_BAR as MAX_BAR,
        overview_of as overview_of,
        overview_text as overview_text,
        read_overview as read_overview,
    )
    from audiostore.analysis.record import (
        ANALYSIS_VERSION as ANALYSIS_VERSION,
        Analysis as Analysis,
        is_analysed as is_analysed,
    )
    from audiostore.analysis.waveform import (
        InvalidWaveformError as InvalidWaveformError,
        Waveform as Waveform,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "building": "WaveformBuilder",
            "drawing": "to_blocks to_png to_svg",
            "keys": "ANALYSIS_KEYS LOUDNESS_KEYS MAX_WAVEFORM_BYTES",
            "loudness": "Loudness",
            "overview": "BARS MAX_BAR overview_of overview_text read_overview",
            "record": "ANALYSIS_VERSION Analysis is_analysed",
            "waveform": "InvalidWaveformError Waveform",
        },
    )
