"""Print an example of a policy to edit."""

from __future__ import annotations

from audiostore.cli.declare import CommonOptions

EXAMPLE = "audiostore lifecycle example > lifecycle.toml"


class Options(CommonOptions):
    """Options of `lifecycle example`."""


def run(options: Options) -> int:
    """Print the policy."""
    from audiostore import lifecycle  # noqa: PLC0415  (not for --help)

    del options
    print(lifecycle.EXAMPLE, end="")
    return 0
