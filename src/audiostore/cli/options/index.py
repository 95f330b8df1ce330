"""Which commands there are, in the order of the help; what each does; where its options are.

So that the help can list them all, and a command can run, without declaring the options of all
the others (benchmarks/startup.py). A test compares it with what the groups declare.
"""

# Each group is declared by a function of a module beside this one.
_ASSETS = "assets.add_asset_commands"
_BULK = "bulk.add_bulk_commands"
_CATALOG = "catalog.add_catalog_commands"
_STORE = "store.add_store_commands"
_UPKEEP = "upkeep.add_upkeep_commands"
_STOREWIDE = "storewide.add_storewide_commands"

COMMANDS = {
    # name: (its group, what it does)
    "put": (_ASSETS, "store audio files, with their artwork; print their ids"),
    "get": (_ASSETS, "fetch the audio of assets, or their artwork, into files"),
    "show": (_ASSETS, "show all that is known of an asset"),
    "jobs": (_BULK, "list the runs that stored many files; what failed in one, and why"),
    "list": (_CATALOG, "list assets, one a line: all, or those that match"),
    "stats": (
        _CATALOG,
        "say how much is stored, by format, month and storage class, and what it costs",
    ),
    "export": (_CATALOG, "write assets as a table, a row each, for other programs"),
    "probe": (_STORE, "say what is inside audio files, and whether they could be stored"),
    "doctor": (
        _STORE,
        "say which store is used, as whom, whether it works, and if not what to do",
    ),
    "completion": (_STORE, "print a script that completes this command's options in a shell"),
    "meta": (_UPKEEP, "change the metadata of an asset; its audio never changes"),
    "cover": (_UPKEEP, "give an asset other artwork"),
    "url": (_UPKEEP, "print a link by which anybody can read a part of an asset for a while"),
    "hold": (
        _UPKEEP,
        "protect assets: until 'release', they cannot be deleted, nor their artwork replaced",
    ),
    "release": (_UPKEEP, "undo 'hold'"),
    "expire": (
        _UPKEEP,
        "have the store delete an asset on a date; that can move later, never earlier or away",
    ),
    "set-class": (_UPKEEP, "move the audio of an asset to another storage class"),
    "rm": (_UPKEEP, "delete assets; they can be restored while the store keeps what is deleted"),
    "trash": (_UPKEEP, "look at what was deleted"),
    "restore": (_UPKEEP, "bring deleted assets back"),
    "purge": (
        _UPKEEP,
        "let deleted assets go for good, before their time (from a directory; a bucket keeps them)",
    ),
    "check": (_STOREWIDE, "look for everything in a store that is not as it should be"),
    "lifecycle": (_STOREWIDE, "see and set what a store does with assets as they age"),
    "copy": (
        _STOREWIDE,
        "copy whole assets from one store to another, verified; what is there is skipped",
    ),
}
