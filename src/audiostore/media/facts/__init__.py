"""Facts about an audio file in pure Python: of what its headers and tags say, one description."""
