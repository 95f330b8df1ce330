"""Remove the hold from assets."""

from __future__ import annotations

import audiostore
from audiostore.cli.commands._protect import ProtectOptions, protect

GROUP = "change"
EXAMPLE = "audiostore release 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Options(ProtectOptions):
    """Options of `release`."""


def run(options: Options) -> int:
    """Remove the hold from each asset."""
    return protect(options, "release", "released", audiostore.AudioStorageManager.release)
