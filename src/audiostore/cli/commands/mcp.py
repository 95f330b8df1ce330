"""Run a Model Context Protocol server, so that an assistant can search, show, link and store audio.

An MCP client starts it, and talks to it on standard input and output. store_from_url fetches from
public addresses only.
"""

from __future__ import annotations

from audiostore.cli.declare import StoreOptions, option
from audiostore.cli.extras import MCP
from audiostore.cli.store import opened

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.events import Event

GROUP = "store and fetch"
EXAMPLE = """\
audiostore mcp --bucket gs://my-bucket
audiostore mcp --public-url http://127.0.0.1:8080"""


class Options(StoreOptions):
    """Options of `mcp`."""

    public_url: str | None = option(
        metavar="URL",
        help="make links to the 'audiostore serve' that runs on this machine, with this URL "
        "(default: signed URLs)",
    )


def run(options: Options) -> int:
    """Serve until the input ends."""
    MCP.require()
    from audiostore import serve  # noqa: PLC0415  (not for --help)

    share_key = None
    if options.public_url is not None:
        share_key = serve.ShareKey(serve.own_secret())
    with opened(options, _ignore, creates=True) as manager:
        server = serve.mcp_server(manager, share_key=share_key, public_url=options.public_url)
        server.run("stdio")
    return 0


def _ignore(event: Event) -> None:
    del event
