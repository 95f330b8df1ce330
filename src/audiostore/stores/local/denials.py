"""What a user lacks who may not do something in a store, such as one that a group shares."""

import errno
import grp
import os
import pwd
import stat

_EFFECTIVE = os.access in os.supports_effective_ids


def explain(error: OSError, folder: int, path: str, name: str) -> None:
    """Add to an error which permission is missing, if one is.

    Args:
        error: of an operation on a name in a folder.
        folder: the descriptor of the folder.
        path: of the folder.
        name: in the folder; "" for the folder itself.
    """
    if error.errno not in (errno.EACCES, errno.EPERM):
        return
    subject, status, needed = path, os.fstat(folder), "writable and searchable by"
    try:
        inside = os.stat(name, dir_fd=folder, follow_symlinks=False) if name else None
    except OSError:  # it does not exist, or must not even be looked at
        inside = None
    if inside is not None and error.errno == errno.EPERM:
        subject, status, needed = f"{path}/{name}", inside, "owned by, or readable and writable by"
    elif inside and not os.access(name, os.R_OK, dir_fd=folder, effective_ids=_EFFECTIVE):
        subject, status, needed = f"{path}/{name}", inside, "readable by"
    error.add_note(
        f"{subject!r} is not {needed} {_user(os.geteuid())}: it belongs to "
        f"{_user(status.st_uid)} and the group {_group(status.st_gid)}, with mode "
        f"{stat.filemode(status.st_mode)}. In a store that a group shares, everything must be "
        "writable by the group (setgid folders, umask 002)"
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
