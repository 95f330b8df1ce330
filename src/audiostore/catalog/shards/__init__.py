"""Assets as tar files for training: shards that WebDataset and its relatives read.

`planning` fixes which assets are in which shard, `writing` writes one for any caller and
however often, and then the index of them all; `exporting` does both for a whole export.
"""
