"""Serve the store over HTTP: an API, and a page to browse and play what is stored.

By default, only this machine can reach it. With another --host, --token-file, --iap-audience or
--trust-proxy must say who may do what. The URL is printed as soon as the page can be opened.
"""

from __future__ import annotations

import errno
import sys

import audiostore
from audiostore.cli.declare import JsonOptions, StoreOptions, flag, option
from audiostore.cli.extras import SERVE
from audiostore.cli.failures import UsageError
from audiostore.cli.output import note, print_json, voice
from audiostore.cli.store import note_new_store, opened
from audiostore.cli.values import duration, port, positive, size

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore.events import Event
    from audiostore.serve import Access, PushSubscription, StartToken

GROUP = "store and fetch"
EXAMPLE = """\
audiostore serve
audiostore serve --bucket gs://my-bucket --host 0.0.0.0 --token-file tokens.txt"""


class Options(StoreOptions, JsonOptions):
    """Options of `serve`."""

    host: str = option(
        metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    port: int = option(
        metavar="N", parse=port, default=8080, help="port; 0: any free one (default: 8080)"
    )
    token_file: str | None = option(
        metavar="FILE",
        help="who may do what, one token per line: its SHA-256, read or read,write, and a name",
        files="any",
        excludes="access",
    )
    iap_audience: str | None = option(
        metavar="AUDIENCE",
        help="accept users of Identity-Aware Proxy: /projects/N/global/backendServices/ID",
        excludes="access",
    )
    trust_proxy: tuple[str, ...] = option(
        metavar="ADDRESS",
        repeatable=True,
        help="accept the user named by the proxy at this address, or in this range, such as "
        "10.0.0.0/8 (repeatable)",
        excludes="access",
    )
    user_header: str | None = option(
        metavar="NAME", help="with --trust-proxy: the header in which it names the user"
    )
    cors_origin: tuple[str, ...] = option(
        metavar="ORIGIN",
        repeatable=True,
        help="let pages of another origin use the service with a token: https://app.example",
    )
    redirect: bool = flag(
        help="redirect to signed URLs instead of sending audio; players stop when they expire"
    )
    share_secret_file: str | None = option(
        metavar="FILE",
        help="file with the secret that signs share links, 16 bytes or more (default: one is "
        "made, if only this machine is served)",
        files="any",
    )
    public_url: str | None = option(metavar="URL", help="public URL of the service, for links")
    notifications_from: str | None = option(
        metavar="ACCOUNT",
        help="accept notifications of the bucket that Pub/Sub pushes as this service account",
    )
    max_upload: int | None = option(
        metavar="SIZE", parse=size, help="refuse larger uploads (default: 2GiB)"
    )
    max_uploads: int | None = option(
        metavar="N", parse=positive, help="at most N uploads at once (default: 64)"
    )
    refresh: float = option(
        metavar="TIME",
        parse=duration,
        default=30.0,
        help="how often to list the store while somebody searches (default: 30s)",
    )
    retry_for: float | None = option(
        metavar="DURATION",
        parse=duration,
        default=15.0,
        help="how long a request retries when the store fails; 0 disables retries (default: 15s)",
    )


def run(options: Options) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    SERVE.require()
    from audiostore import serve  # noqa: PLC0415  (not for --help)

    access = _access(options)
    subscription = _subscription(options)

    def report(host: str, port: int) -> None:
        _print_url(options, access, host, port)

    note_new_store(options)
    with opened(options, _ignore, creates=True) as manager:
        app = serve.create_app(
            manager,
            access=access,
            limits=serve.limits_of(upload_bytes=options.max_upload, uploads=options.max_uploads),
            redirects=options.redirect,
            origins=options.cors_origin,
            refresh_s=options.refresh,
            share_secret=_share_secret(options),
            public_url=options.public_url,
            subscription=subscription,
            log=None if voice.quiet else _log,
        )
        try:
            serve.run(app, host=options.host, port=options.port, on_listening=report)
        except serve.CannotListenError as error:
            error.add_note(_another_place(error))
            raise
    note("stopped: running uploads were completed")
    return 0


def _another_place(error: OSError) -> str:
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        return "give another --port, or --port 0 for any free one"
    return "give an address of this machine with --host"


def _access(options: Options) -> Access:
    """Return who may do what.

    Raises:
        UsageError: nothing says so, and others than this machine can connect.
        ConfigurationError: the file of tokens is not valid.
    """
    from audiostore import serve  # noqa: PLC0415  (not for --help)

    if bool(options.trust_proxy) != (options.user_header is not None):
        raise UsageError("--trust-proxy and --user-header belong together: give both")
    if options.trust_proxy and options.user_header is not None:
        try:
            return serve.TrustedProxy(options.trust_proxy, options.user_header)
        except ValueError as error:
            raise UsageError(f"--trust-proxy: {error}") from error
    if options.iap_audience is not None:
        return serve.IapAssertions(options.iap_audience)
    if options.token_file is not None:
        return serve.TokenFile(options.token_file)
    if not serve.is_loopback(options.host):
        raise UsageError(
            f"--host {options.host} can be reached from other machines: say who may do what with "
            "--token-file, --iap-audience or --trust-proxy"
        )
    return serve.StartToken()


def _subscription(options: Options) -> PushSubscription | None:
    """Return what posts the notifications of the bucket.

    Raises:
        UsageError: the URL that it posts to is not given.
    """
    from audiostore import serve  # noqa: PLC0415  (not for --help)

    if options.notifications_from is None:
        return None
    if options.public_url is None:
        raise UsageError(
            "--notifications-from needs --public-url, the audience of Pub/Sub's tokens"
        )
    return serve.PushSubscription(options.notifications_from, options.public_url)


def _share_secret(options: Options) -> bytes | None:
    """Return what signs links: of the file; on this machine alone, of one that is made once.

    Raises:
        ConfigurationError: the file cannot be read, or is too short.
    """
    from pathlib import Path  # noqa: PLC0415  (not for --help)

    from audiostore import serve  # noqa: PLC0415  (not for --help)

    if options.share_secret_file is not None:
        try:
            secret = Path(options.share_secret_file).read_bytes().strip()
        except OSError as error:
            raise audiostore.ConfigurationError(
                f"cannot read {options.share_secret_file}: {error.strerror}"
            ) from error
        if len(secret) < serve.LEAST_SECRET_BYTES:
            raise audiostore.ConfigurationError(
                f"{options.share_secret_file} has {len(secret)} bytes: a secret needs at least "
                f"{serve.LEAST_SECRET_BYTES}, such as the output of 'openssl rand -hex 32'"
            )
        return secret
    return serve.own_secret() if serve.is_loopback(options.host) else None


def _print_url(options: Options, access: Access | StartToken, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}/"
    token: str | None = getattr(access, "token", None)
    if token is not None:
        url += f"?token={token}"
    if options.json:
        print_json({"url": url})
    else:
        print(url, flush=True)
    note("press Ctrl-C to stop")


def _log(line: str) -> None:
    """Print the line of a request, which is JSON in any case."""
    print(line, file=sys.stderr, flush=True)


def _ignore(_: Event) -> None:
    """Show no progress: requests overlap."""
