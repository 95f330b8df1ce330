"""Which ids were seen, in little memory."""

_SLOTS = 1 << 24


class IdFilter:
    """A set of ids in 2 MiB that may seem to hold an id that was never added, and never forgets.

    A Bloom filter with one hash: once it has a million ids, it takes 6 % of all others for one.
    """

    def __init__(self) -> None:
        """Hold no ids."""
        self._bits = bytearray(_SLOTS >> 3)

    def __contains__(self, audio_id: str) -> bool:
        slot = hash(audio_id) % _SLOTS
        return bool(self._bits[slot >> 3] >> (slot & 7) & 1)

    def add(self, audio_id: str) -> None:
        """Add an id."""
        slot = hash(audio_id) % _SLOTS
        self._bits[slot >> 3] |= 1 << (slot & 7)
