"""The page of the service, used in real browsers."""
