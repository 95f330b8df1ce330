"""Which id an upload without a given id has, so that the same call takes up one that was killed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from audiostore.asset import FilenameGenerator
from audiostore.errors import AssetConflictError, SourceNotFoundError
from audiostore.statefiles import claim, hash_of


@dataclass(frozen=True, slots=True)
class ChosenId:
    """The id of an upload."""

    audio_id: str
    is_new: bool
    """It was made just now, from random bits; not given by the caller, nor taken up again."""


class ResumableIds:
    """The ids of uploads under way; with no folder, nothing is remembered."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextmanager
    def choose(self, identity: Callable[[], object], detail: object = None) -> Iterator[ChosenId]:
        """Yield the id for an upload: that of an interrupted one of its identity, or a new one.

        It is written down before the body runs. While that runs, the same upload in another
        process, or thread, gets an id of its own. The id is forgotten when the body succeeds,
        finds it taken, or its files missing.

        Args:
            identity: returns what tells this upload from others; ready for JSON.
            detail: must be that of the interrupted upload as well; None if it is not known.
        """
        new = ChosenId(FilenameGenerator.generate_audio_id(), is_new=True)
        with ExitStack() as stack:
            file = claim(self._folder, identity(), stack) if self._folder else None
            if file is None:
                yield new
                return
            audio_id, _, known = file.read().partition(" ")
            taken_up = detail is None or known == hash_of(detail)
            if taken_up and FilenameGenerator.validate_uuid(audio_id):
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
