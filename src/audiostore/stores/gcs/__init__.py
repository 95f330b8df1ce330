"""The store in a Google Cloud Storage bucket."""

from audiostore.stores.gcs.connections import ConnectionOptions
from audiostore.stores.gcs.store import GcsStore

__all__ = ["ConnectionOptions", "GcsStore"]
