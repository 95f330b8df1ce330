"""Location -> store. What a store needs is imported only for the store that is meant."""

from typing import TYPE_CHECKING

from audiostore.config import (
    BucketLocation,
    Location,
    ca_bundle,
    emulator_endpoint,
    state_directory,
)
from audiostore.stores.protocol import ObjectStore

if TYPE_CHECKING:
    from google.auth.credentials import Credentials


def open_store(
    location: Location,
    *,
    credentials: "Credentials | None" = None,
    project: str | None = None,
) -> ObjectStore:
    """Return the store at a location; nothing is connected to, or made, yet.

    Raises:
        ConfigurationError: the credentials are anonymous and no emulator is configured.
    """
    if isinstance(location, BucketLocation):
        from audiostore.stores.gcs.sessions import SessionFiles  # noqa: PLC0415
        from audiostore.stores.gcs.store import GcsStore  # noqa: PLC0415
        from audiostore.stores.gcs.transport import Options  # noqa: PLC0415

        return GcsStore(
            location.bucket,
            credentials=credentials,
            project=project,
            emulator=emulator_endpoint(),
            options=Options(ca_bundle=ca_bundle()),
            sessions=SessionFiles(state_directory() / "sessions"),
        )
    from audiostore.stores.local import LocalStore  # noqa: PLC0415

    return LocalStore(location.path)
