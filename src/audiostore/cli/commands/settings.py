"""What a store does of itself, as far as the caller may know."""

from audiostore.cli.failures import is_api_error, sentence
from audiostore.manager import AudioStorageManager
from audiostore.retry import CONSERVATIVE_CONFIG
from audiostore.stores import StoreSettings


def known_settings(manager: AudioStorageManager) -> StoreSettings | str:
    """Return the settings of the store; or, in words, why they cannot be had.

    That a bucket's settings may not be seen is common: storing does not need it.
    """
    try:
        return manager.admin.settings()
    except Exception as error:
        if not is_api_error(error) or CONSERVATIVE_CONFIG.is_retryable(error):
            raise
        return sentence(error)


def is_bucket(manager: AudioStorageManager) -> bool:
    """Say whether the store is a bucket, which costs, and does much of itself."""
    return manager.url.startswith("gs://")
