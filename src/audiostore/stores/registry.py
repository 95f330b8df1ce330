"""Opens stores by the scheme of their URL; the code of a store is imported only then."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from audiostore.config import (
    billing_project,
    ca_bundle,
    emulator_endpoint,
    is_directory,
    parse_bucket,
    parse_directory,
    parse_location,
    state_directory,
)
from audiostore.dataclass import dataclass
from audiostore.patterns import pattern
from audiostore.stores.protocol import ObjectStore

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from audiostore.retry import Retry, RetryConfig
    from audiostore.stores.gcs.client import Client
    from audiostore.stores.web import WebClient

_SCHEME = pattern(r"([a-z][a-z0-9+.-]*):")


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """Options for opening a store, besides its URL; a store ignores those that it does not need."""

    credentials: "Credentials | None" = None
    project: str | None = None


Opener = Callable[[str, OpenOptions], ObjectStore]
"""Returns the store at a URL, without connecting to it.

It raises ConfigurationError if the URL, or an option, is not valid.
"""


def open_store(
    url: str, *, credentials: "Credentials | None" = None, project: str | None = None
) -> ObjectStore:
    """Return the store at a URL, without connecting to it or creating anything.

    Args:
        url: ``my-bucket``, ``gs://my-bucket/prefix``, ``file:///some/dir``, ``./dir``, or a URL
            whose scheme was registered with `register_store`.
        credentials: of google-auth, for a bucket; Application Default Credentials if None.
        project: Google Cloud project billed for the requests, which requester-pays buckets
            demand; None reads the environment variable GCS_BILLING_PROJECT.

    Raises:
        ConfigurationError: the URL does not name a store; or the credentials are anonymous and
            no emulator is configured.
    """
    match = _SCHEME.match(url)
    scheme = match[1] if match else "file" if is_directory(url) else "gs"
    opener = _OPENERS.get(scheme)
    if opener is None:
        parse_location(url)  # raises, and lists valid URLs
        raise AssertionError(f"{url!r} has a location, but no store")
    return opener(url, OpenOptions(credentials, project))


def register_store(scheme: str, opener: Opener) -> None:
    """Register your own store for the URLs of a scheme, as opened by `open_store` and managers.

    Example::

        register_store("sqlite", lambda url, options: SqliteStore(url.removeprefix("sqlite://")))
        manager = AudioStorageManager("sqlite:///var/lib/music.db")

    Args:
        scheme: in lower case, without the colon.
        opener: returns the store at a URL.

    Raises:
        ValueError: the scheme is malformed, or already registered.
    """
    if not _SCHEME.fullmatch(f"{scheme}:"):
        raise ValueError(f"invalid URL scheme {scheme!r} (examples: s3, sqlite)")
    if scheme in _OPENERS:
        raise ValueError(f"the URL scheme {scheme!r} is already registered")
    _OPENERS[scheme] = opener


def open_web_client(
    config: "RetryConfig",
    *,
    on_retry: "Callable[[Retry], None] | None" = None,
    on_retries_ended: Callable[[str], None] | None = None,
) -> "WebClient":
    """Return what fetches files over https, without connecting to anything."""
    from audiostore.stores.gcs import ConnectionOptions  # noqa: PLC0415  (libcurl)
    from audiostore.stores.web import WebClient  # noqa: PLC0415

    return WebClient(
        ConnectionOptions(ca_bundle=ca_bundle()),
        config,
        on_retry=on_retry,
        on_retries_ended=on_retries_ended,
    )


def open_bucket_client(
    url: str, *, credentials: "Credentials | None" = None, project: str | None = None
) -> "Client":
    """Return what sends single requests to the bucket at a URL, without connecting to it.

    Args:
        url: ``my-bucket``, ``gs://my-bucket/prefix``.
        credentials: of google-auth; Application Default Credentials if None.
        project: Google Cloud project billed for the requests; None reads the environment variable
            GCS_BILLING_PROJECT.

    Raises:
        ConfigurationError: the URL does not name a bucket; or the credentials are anonymous and no
            emulator is configured.
    """
    from audiostore.stores.gcs import ConnectionOptions  # noqa: PLC0415  (libcurl)
    from audiostore.stores.gcs.client import Client  # noqa: PLC0415
    from audiostore.stores.gcs.signers import IAM_ENDPOINT  # noqa: PLC0415

    location = parse_bucket(url)
    return Client(
        location.bucket,
        prefix=location.prefix,
        credentials=credentials,
        user_project=project or billing_project(),
        emulator=emulator_endpoint(),
        iam_endpoint=IAM_ENDPOINT,
        options=ConnectionOptions(ca_bundle=ca_bundle()),
    )


def _open_bucket(url: str, options: OpenOptions) -> ObjectStore:
    from audiostore.stores.gcs import ConnectionOptions, GcsStore  # noqa: PLC0415  (libcurl)

    location = parse_bucket(url)
    return GcsStore(
        location.bucket,
        prefix=location.prefix,
        credentials=options.credentials,
        project=options.project or billing_project(),
        emulator=emulator_endpoint(),
        connections=ConnectionOptions(ca_bundle=ca_bundle()),
        session_folder=state_directory() / "sessions",
    )


def _open_directory(url: str, options: OpenOptions) -> ObjectStore:
    from audiostore.stores.local import LocalStore  # noqa: PLC0415  (a bucket needs none of it)

    del options
    return LocalStore(parse_directory(url).path)


_OPENERS: dict[str, Opener] = {
    "gs": _open_bucket,
    "file": _open_directory,
}
