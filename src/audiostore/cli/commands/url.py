"""Print temporary links to assets.

Anyone with a link can read this part of the asset until it expires.
"""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.declare import option
from audiostore.cli.each import Report, with_each
from audiostore.cli.failures import UsageError
from audiostore.cli.selection import Chosen
from audiostore.cli.store import is_bucket
from audiostore.cli.values import PART_HELP, link_lifetime, part_name

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.asset import PartName

GROUP = "store and fetch"
EXAMPLE = """\
audiostore url 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b --expires 2h
audiostore url --album 'Pastel Blues'"""


class Options(AssetsOptions):
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
    """Print each link: of several assets, after the ID."""
    from audiostore.errors import UnsupportedByStoreError  # noqa: PLC0415  (not for --help)

    name = options.download_as
    if name is not None and not (name.strip() and name.isprintable()):
        raise UsageError(f"invalid file name --download-as {name!r}: it must be printable text")
    with choosing(options) as chosen:
        if name is not None and not chosen.is_single:
            raise UsageError("--download-as names one file: give one ID with it")

        def link(each: Chosen) -> Report:
            try:
                url = chosen.manager.signed_url(
                    each.audio_id, part=options.part, expires_s=options.expires, download_as=name
                )
            except UnsupportedByStoreError as error:
                if not is_bucket(chosen.manager):
                    error.add_note(f"or share it with {hints.command('serve')}")
                raise
            fields = {"audio_id": each.audio_id, "part": options.part, "url": url}
            text = url if chosen.is_single else f"{each.audio_id}  {url}"
            return Report({**fields, "expires_s": options.expires}, text)

        return with_each(chosen, link, "linked to")
