"""Protect assets from deletion.

Until 'audiostore release', they can be neither deleted nor overwritten, and their artwork cannot
be replaced.
"""

from __future__ import annotations

import audiostore
from audiostore.cli.commands._protect import ProtectOptions, protect

GROUP = "change"
EXAMPLE = "audiostore hold 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Options(ProtectOptions):
    """Options of `hold`."""


def run(options: Options) -> int:
    """Put a hold on each asset."""
    return protect(options, "hold", "put a hold on", audiostore.AudioStorageManager.hold)
