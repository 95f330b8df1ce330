"""Artwork that is embedded in an audio file."""

from collections.abc import Iterable

from audiostore.errors import InvalidImageError
from audiostore.media.images import MAX_IMAGE_BYTES, identify_image
from audiostore.media.info import Artwork
from audiostore.media.parsing.embedded import FRONT_COVER, OTHER, AnyPicture
from audiostore.media.parsing.reading import BudgetSpentError

_MAX_PICTURES = 16
_LEAFLET, _BACK_COVER, _MEDIUM, _ILLUSTRATION, _ICONS = 5, 4, 6, 18, (2, 1)
_BEST_FIRST = (FRONT_COVER, OTHER, _ILLUSTRATION, _LEAFLET, _BACK_COVER, _MEDIUM)
_PEOPLE_AND_LOGOS = range(7, 21)
"""Photographs of artists and of recordings, logotypes, and a bright coloured fish."""


def _rank(picture: AnyPicture) -> int:
    if picture.type in _BEST_FIRST:
        return _BEST_FIRST.index(picture.type)
    if picture.type in _PEOPLE_AND_LOGOS:
        return len(_BEST_FIRST)
    if picture.type in _ICONS:
        return len(_BEST_FIRST) + 1
    return _BEST_FIRST.index(OTHER)


def choose_artwork(
    pictures: Iterable[AnyPicture],
) -> tuple[Artwork | None, str | None, tuple[str, ...]]:
    """Choose the picture that is most likely the cover, of those that are valid images.

    A front cover is better than a picture of no type, and both than a back cover; photographs of
    the artist, logotypes and icons are used if there is nothing else.

    Returns:
        The picture; without one, what is wrong with the best; warnings of better ones that are not
        usable: the rest of a sentence about the file.
    """
    problem = None
    for picture in sorted(pictures, key=_rank)[:_MAX_PICTURES]:
        reason = "the image is empty"
        if picture.size > MAX_IMAGE_BYTES:
            reason = f"the image is larger than {MAX_IMAGE_BYTES:,} bytes"
        elif picture.size:
            try:
                data = picture.data
                artwork = Artwork(data, identify_image(data))
            except InvalidImageError as error:
                reason = str(error)
            except BudgetSpentError:
                reason = "it is in too many places"
            else:
                unused = f"has an embedded picture that is not usable: {problem}"
                return artwork, None, (unused,) if problem else ()
        problem = problem or reason
    return None, problem, ()
