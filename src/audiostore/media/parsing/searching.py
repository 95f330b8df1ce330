"""Where to look for data that begin after padding or junk."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from audiostore.media.parsing.reading import Reader

ROOM: Final = 32 << 10
"""How many more are read, for what begins in the last of these."""
_MOST_FOUND = 100


def search_for(
    pattern: re.Pattern[bytes], reader: Reader, offset: int, padding: int
) -> Iterator[int]:
    """Yield where a few bytes match a pattern, after an offset and some padding at most."""
    data = reader.at(offset, padding + ROOM)
    for found in islice(pattern.finditer(data), _MOST_FOUND):
        yield offset + found.start()
