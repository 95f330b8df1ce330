"""Show everything about an asset."""

from __future__ import annotations

from audiostore.cli.declare import AssetOptions
from audiostore.cli.store import opened, warn

GROUP = "find"
EXAMPLE = "audiostore show 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"


class Options(AssetOptions):
    """Options of `show`."""


def run(options: Options) -> int:
    """Print the asset."""
    from audiostore.cli.listing import print_asset  # noqa: PLC0415  (not for --help)

    with opened(options) as manager:
        asset = manager.get(options.audio_id)
    print_asset(asset, as_json=options.json)
    warn(asset)
    return 0
