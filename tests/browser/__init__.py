"""Stored audio in a real browser: what plays, for how long, and how it is fetched."""
