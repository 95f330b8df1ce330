"""Where to look for data that begin after padding or junk."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from audiostore.media.parsing.reading import Reader

SEARCHED: Final = (16 << 10, 1 << 20)
"""How many bytes are searched: at first, and if nothing is found."""
ROOM: Final = 32 << 10
"""How many more are read, for what begins in the last of these."""
_MOST_FOUND = 100


def search_for(pattern: re.Pattern[bytes], reader: Reader, offset: int) -> Iterator[int]:
    """Yield the offsets after this one at which a few bytes match a pattern."""
    data = reader.at(offset, SEARCHED[-1] + ROOM)
    for found in islice(pattern.finditer(data), _MOST_FOUND):
        yield offset + found.start()
