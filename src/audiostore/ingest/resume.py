"""Chooses the id of an upload, so that repeating an interrupted call resumes it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from audiostore.asset import FilenameGenerator
from audiostore.dataclass import dataclass
from audiostore.errors import AssetConflictError, SourceNotFoundError
from audiostore.statefiles import claim, hash_of


@dataclass(frozen=True, slots=True)
class ChosenId:
    """The id of an upload."""

    audio_id: str
    is_new: bool
    """Whether it was just made, so that nothing is stored under it: it is not looked up."""
    is_given: bool = False
    """Whether the caller has made it, so that others may use it, too."""


class ResumableIds:
    """The ids of uploads in progress, kept in a folder; without one, no id is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def choose(self, identity: Callable[[], object], detail: object = None) -> Iterator[ChosenId]:
        """Yield the id of an upload: that of the same upload, if it was interrupted, or a new one.

        The id is saved before the block runs. Meanwhile, the same upload in another process or
        thread gets a different id. The id is forgotten when the block succeeds, or fails because
        the id holds other content or a file is missing.

        Args:
            identity: returns what identifies this upload; ready for JSON.
            detail: more that must match the interrupted upload; None if unknown.
        """
        new = ChosenId(FilenameGenerator.generate_audio_id(), is_new=True)
        with ExitStack() as stack:
            file = claim(self._folder, identity(), stack) if self._folder else None
            if file is None:
                yield new
                return
            audio_id, _, known = file.read().partition(" ")
            is_same = detail is None or known == hash_of(detail)
            if is_same and FilenameGenerator.validate_uuid(audio_id):
                chosen = ChosenId(audio_id, is_new=False)
            else:
                chosen = new
                file.write(f"{chosen.audio_id} {hash_of(detail)}")
            try:
                yield chosen
            except (AssetConflictError, SourceNotFoundError):
                file.remove()
                raise
            file.remove()
