"""Parsing that several formats share: bounded reads, tags, chunks, MPEG frames, EXIF."""
