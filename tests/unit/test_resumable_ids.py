"""The id of an upload that was interrupted."""

from contextlib import suppress
from pathlib import Path

import pytest

from audiostore import AssetConflictError, SourceNotFoundError, StoreConnectionError
from audiostore.ingest.resume import ResumableIds

FILES = ["song.mp3", 17]


def ids_of(folder: Path, *errors: Exception | None) -> list[str]:
    """Choose an id for the same upload again and again, each ending with an error, if any."""
    chosen = []
    for error in errors:
        with suppress(Exception), ResumableIds(folder).choose(lambda: FILES) as each:
            chosen.append(each.audio_id)
            if error is not None:
                raise error
    return chosen


def test_an_interrupted_upload_keeps_its_id(tmp_path: Path) -> None:
    first, second = ids_of(tmp_path, StoreConnectionError("reset"), None)

    assert first == second


@pytest.mark.parametrize(
    "end", [None, AssetConflictError("other content"), SourceNotFoundError("gone")], ids=str
)
def test_an_upload_that_cannot_be_resumed_gets_a_new_id(
    tmp_path: Path, end: Exception | None
) -> None:
    first, second = ids_of(tmp_path, end, None)

    assert first != second
    assert list(tmp_path.iterdir()) == []
