"""A store in a directory: the same names, the same guarantees, no account.

Each object is a file under its own name; next to it, hidden, is a small JSON file with its
metadata. The two are paired by the object's generation, which is both the file's modification
time (in microseconds) and a part of the JSON file's name::

    audio/{id}/audio.mp3                          modified at 1764000000.123456
    audio/{id}/.audio.mp3.1764000000123456.json

The metadata is in place before the file is linked or renamed to its name, so that single step
publishes both. A kill before it leaves nothing visible to readers; a kill after it leaves at most
metadata of a generation that is gone. A power failure is no different: each file is synced before
it has its name, and each folder before the next step relies on a name in it. Copies that preserve
times (``cp -a``, ``rsync -a``) are stores as well. Writers of all processes take turns: they lock
one file, which only they can open; readers need no lock.

Threads and processes that create objects share a turn (see `lock`). Each syncs its own
files and folders with ``fsync``, in the order above, and a file system writes together what many
wait for. Nothing but the files of this store is synced, and each error reaches whose file it is of.

A deleted or overwritten object moves to the trash, unless the settings say otherwise, into a
folder of the day (UTC) on which it expires, in the store's own time (see `lock`)::

    .audiostore/trash/2026-07-08/audio/{id}/.audio.mp3.1764000000123456.data
    .audiostore/trash/2026-07-08/audio/{id}/.audio.mp3.1764000000123456.json

The ``.data`` file is a second link to the object's file, made before that loses its name; the
JSON file holds the metadata and the times of deletion and expiry. As long as the
modification time of the ``.data`` file is that of the live object of this name, it *is* the live
object, and not in the trash: so the single step that removes the name of a file puts it into the
trash, and the one that restores the name takes it out, bytes untouched. The first writer of a day
removes the folders that expired more than a day ago.

The rest of the hidden folder::

    .audiostore/lock            held by the processes that write; says which came last, and when
    .audiostore/queue           held by the process that waits for the lock
    .audiostore/settings.json   of the store; without it, `settings.DEFAULT_SOFT_DELETE_S` applies
    .audiostore/deleting/       notes on objects that lose, or get, a name: the next process that
                                takes the lock cleans up after a kill
    .audiostore/tmp/            files that are being written

Below the root no symbolic link is followed, anything but a regular file is never opened, and
small files are read with a size limit: whoever may write in a store cannot lead its owner out of
it (see `folder`).
"""

from audiostore.stores.local.store import LocalStore

__all__ = ["LocalStore"]
