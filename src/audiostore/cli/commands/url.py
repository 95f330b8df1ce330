"""Print a temporary link to an asset.

Anyone with the link can read this part of the asset until it expires.
"""

from __future__ import annotations

from audiostore.cli.declare import AssetOptions, option
from audiostore.cli.failures import UsageError
from audiostore.cli.output import print_json
from audiostore.cli.store import opened
from audiostore.cli.values import PART_HELP, link_lifetime, part_name

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.asset import PartName

GROUP = "store and fetch"
EXAMPLE = "audiostore url 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --expires 2h"


class Options(AssetOptions):
    """Options of `url`."""

    part: PartName = option(metavar="PART", parse=part_name, default="audio", help=PART_HELP)
    expires: int = option(
        metavar="TIME",
        parse=link_lifetime,
        default=3600,
        help="lifetime of the link: 90m, 2h, at most 7d (default: 1h)",
    )
    download_as: str | None = option(
        metavar="NAME", help="have browsers save it under this file name"
    )


def run(options: Options) -> int:
    """Print the link."""
    name = options.download_as
    if name is not None and not (name.strip() and name.isprintable()):
        raise UsageError(f"invalid file name --download-as {name!r}: it must be printable text")
    with opened(options) as manager:
        link = manager.signed_url(
            options.audio_id, part=options.part, expires_s=options.expires, download_as=name
        )
    if options.json:
        fields = {"audio_id": options.audio_id, "part": options.part, "url": link}
        print_json({**fields, "expires_s": options.expires})
    else:
        print(link)
    return 0
