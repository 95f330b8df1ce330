"""Show everything about assets."""

from __future__ import annotations

import sys

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.each import Report, with_each
from audiostore.cli.selection import Chosen

GROUP = "find"
EXAMPLE = """\
audiostore show 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b
audiostore show 3f2b --json"""


class Options(AssetsOptions):
    """Options of `show`."""


def run(options: Options) -> int:
    """Print each asset."""
    from audiostore.cli.listing import facts_block, overview_lines  # noqa: PLC0415  (not for --help)

    with choosing(options) as chosen:

        def show(each: Chosen) -> Report:
            asset = chosen.asset(each)
            block = "\n".join([facts_block(asset), *overview_lines(asset, sys.stdout)])
            return Report(asset, block if chosen.is_single else f"{block}\n", about=asset)

        return with_each(chosen, show, "shown")
