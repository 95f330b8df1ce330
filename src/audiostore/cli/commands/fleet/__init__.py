"""Store one list of files with many machines."""

GROUP = "store and fetch"
