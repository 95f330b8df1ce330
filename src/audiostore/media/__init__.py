"""What a media file is, and what is in it: formats, facts, tags, artwork, damage."""
