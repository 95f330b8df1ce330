"""The protocol of one asset: how its objects are named, written, read, changed and deleted."""
