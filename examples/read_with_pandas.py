"""Which tracks are how long, and how loud is the sound in them: a table by pandas and soundfile.

``python examples/read_with_pandas.py STORE``; it needs ``pip install audiostore pandas soundfile``.
"""

import io
import sys
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from audiostore import AudioStorageManager


def table_of(manager: AudioStorageManager) -> Any:
    """Return a row for each asset that soundfile can decode, with the level of its samples."""
    exported = io.BytesIO()
    manager.catalog.export(exported, "csv")  # "parquet" keeps types, and needs pyarrow
    exported.seek(0)
    assets = pd.read_csv(exported, dtype={"audio_id": str}).set_index("audio_id")
    assets = assets[assets["format"].isin(["flac", "mp3", "ogg", "wav"])].copy()
    assets["rms_dbfs"] = assets.index.map(partial(level_of, manager))
    return assets


def level_of(manager: AudioStorageManager, audio_id: str) -> float:
    """Return the level of an asset in dB below full scale, from the stored file, read by ranges."""
    with manager.open(audio_id) as file:
        samples, _ = soundfile.read(file)
    return float(10 * np.log10(max(np.mean(np.square(samples)), 1e-12)))


if __name__ == "__main__":
    with AudioStorageManager(sys.argv[1]) as manager:
        print(table_of(manager)[["title", "format", "duration_s", "rms_dbfs"]].to_string())
