"""Whether a directory can hold a store, and what it permits."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from audiostore.errors import ConfigurationError
from audiostore.files import explained
from audiostore.stores.capabilities import Finding
from audiostore.stores.local.files import set_generation
from audiostore.stores.local.folder import Tree
from audiostore.stores.local.lock import WriterLock
from audiostore.stores.local.settings import SettingsFile
from audiostore.stores.local.sidecar import generation_for
from audiostore.stores.local.trash import Trash
from audiostore.stores.local.workspace import Workspace

_CLOCKS_DIFFER_BY = timedelta(minutes=5)
_ANOTHER = "choose another directory (file:///DIR), or correct its permissions"
_READ = os.R_OK | os.X_OK
_WRITE = os.W_OK | os.X_OK
_NEEDS = {
    "storage.buckets.get": _READ,
    "storage.buckets.update": _WRITE,
    "storage.objects.create": _WRITE,
    "storage.objects.delete": _WRITE,
    "storage.objects.get": _READ,
    "storage.objects.list": _READ,
    "storage.objects.restore": _WRITE,
    "storage.objects.update": _WRITE,
}


def granted(root: Path, permissions: Sequence[str]) -> frozenset[str]:
    """Return which of a bucket's permissions this process has, in effect, on a directory.

    A directory that does not exist yet is judged by the one that it would be created in.
    """
    folder = _nearest(root)
    if not folder.is_dir():
        return frozenset()
    return frozenset(
        name for name in permissions if name in _NEEDS and os.access(folder, _NEEDS[name])
    )


def diagnose(
    tree: Tree,
    *,
    lock: WriterLock,
    workspace: Workspace,
    settings: SettingsFile,
    trash: Trash,
    now: datetime,
) -> Iterator[Finding]:
    """Check what storing needs (a folder, a lock, a link, exact times), the clock, space, trash.

    A directory that does not exist is not created: only what it would be created in is checked.
    """
    if not os.path.lexists(tree.root):
        yield from _before_the_first(tree.root)
        return
    yield Finding("store", ok=True, detail=f"the directory {tree.root}")
    last = lock.last_holder()
    try:
        with explained(tree.root), lock.held(), workspace.temporary() as file:
            set_generation(file.descriptor, generation_for(now), file.folder.path)
            link = f"{file.name}.link"
            file.link(file.folder, link)
            file.folder.unlink(link)
    except (OSError, ConfigurationError) as error:
        detail = "; ".join([str(error), *getattr(error, "__notes__", ())])
        yield Finding("write", ok=False, detail=detail, hint=_ANOTHER)
        return
    yield Finding("write", ok=True, detail="files can be written, locked and linked")
    if last is not None and last.since - now > _CLOCKS_DIFFER_BY:
        yield Finding(
            "clock",
            ok=False,
            detail=f"the store was last written to at {last.since:%Y-%m-%d %H:%M} UTC, by "
            f"{last.host}: that is in the future",
            hint=f"correct the clock of this machine, or of {last.host}",
        )
    yield _space(tree.root)
    try:
        keep_s = settings.read().soft_delete_s
    except ConfigurationError as error:
        yield Finding("settings", ok=False, detail=str(error), hint="repair or remove that file")
    else:
        kept = f"is kept for {keep_s / 86400:g} days" if keep_s else "is gone at once"
        yield Finding("soft delete", ok=True, detail=f"a deleted or overwritten object {kept}")
    count, size_bytes = trash.size()
    yield Finding("trash", ok=True, detail=f"{count} objects, {size_bytes / 2**20:.1f} MiB")


def _before_the_first(root: Path) -> Iterator[Finding]:
    """Say what is known of a directory that the first upload would create."""
    yield Finding(
        "store",
        ok=True,
        detail=f"the directory {root} does not exist",
        hint="the first upload creates it",
    )
    parent = _nearest(root)
    if not (parent.is_dir() and os.access(parent, _WRITE)):
        detail = f"the directory cannot be created: {parent} is not writable"
        yield Finding("write", ok=False, detail=detail, hint=_ANOTHER)
        return
    yield Finding("write", ok=True, detail=f"the directory can be created: {parent} is writable")
    yield _space(parent)


def _nearest(path: Path) -> Path:
    """Return the path, or the innermost directory above it that exists."""
    return next(each for each in (path, *path.parents) if os.access(each, os.F_OK))


def _space(folder: Path) -> Finding:
    space = os.statvfs(folder)
    free_gib = space.f_bavail * space.f_frsize / 2**30
    return Finding(
        "space",
        ok=free_gib >= 1,
        detail=f"{free_gib:.1f} GiB free",
        hint="" if free_gib >= 1 else "free some space on this file system",
    )
