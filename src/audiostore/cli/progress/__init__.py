"""Progress on stderr: of one asset, of many, of a walk through a store."""
