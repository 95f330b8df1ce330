"""The conformance suite: what every store promises, as tests for yours. Needs pytest.

A subclass whose fixture returns an empty store of yours runs it::

    import pytest
    from audiostore.stores.testing import ObjectStoreTests

    class TestMyStore(ObjectStoreTests):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)

`ObjectStoreTests` are the promises of every store. A store that keeps deleted objects also runs
`SoftDeleteTests`; one that has settings, `SettingsTests`; one that writes many objects from one
thread, `ConcurrentWritesTests`. The first two have a fixture `advance` to override where the
store's clock can be moved.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{module}"
        for module in (
            "administration",
            "changing",
            "concurrent",
            "large",
            "racing",
            "reading",
            "settings",
            "soft_delete",
            "writing",
        )
    )
)

from audiostore.stores.protocol import ObjectStore  # noqa: E402
from audiostore.stores.testing.administration import AdministrationTests  # noqa: E402
from audiostore.stores.testing.changing import ChangingTests  # noqa: E402
from audiostore.stores.testing.concurrent import ConcurrentWritesTests  # noqa: E402
from audiostore.stores.testing.large import LargeObjectTests  # noqa: E402
from audiostore.stores.testing.racing import RacingTests  # noqa: E402
from audiostore.stores.testing.reading import ReadingTests  # noqa: E402
from audiostore.stores.testing.settings import SettingsTests  # noqa: E402
from audiostore.stores.testing.soft_delete import SoftDeleteStore, SoftDeleteTests  # noqa: E402
from audiostore.stores.testing.writing import WritingTests  # noqa: E402

__all__ = [
    "AdministrationTests",
    "ConcurrentWritesTests",
    "LargeObjectTests",
    "ObjectStoreTests",
    "SettingsTests",
    "SoftDeleteStore",
    "SoftDeleteTests",
]


class ObjectStoreTests(WritingTests, LargeObjectTests, ReadingTests, ChangingTests, RacingTests):
    """What every store promises: the docstrings of `ObjectStore`, line by line."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """Return an empty store; to be overridden."""
        raise NotImplementedError("override the fixture `store`: return an empty store to test")
