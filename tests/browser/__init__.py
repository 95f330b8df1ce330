"""Stored audio in a real browser: what plays, its duration, and how it is requested."""
