"""From local files to a stored asset: options, preparation, resuming, cleanup."""
