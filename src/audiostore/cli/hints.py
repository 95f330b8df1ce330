"""Commands to run next, on the store of this one: they can be pasted into another terminal."""

from __future__ import annotations

_store: list[str] = []


def remember(store: tuple[str, ...]) -> None:
    """Remember the options that name the store of this command; none for the default one."""
    _store[:] = store


def forget() -> None:
    """Forget the store, that of the command before."""
    _store.clear()


def command(*words: str) -> str:
    """Return a command on the same store in quotes: ``'audiostore restore ID --store studio'``."""
    return f"'{command_line(*words)}'"


def command_line(*words: str) -> str:
    """Return a command on the same store as a shell reads it."""
    import shlex  # noqa: PLC0415  (few commands give a hint)

    return shlex.join(["audiostore", *words, *_store])


def meant_directory() -> str:
    """Return how to name the directory that has the name of the bucket; "" if there is none."""
    from audiostore.config import names_directory  # noqa: PLC0415  (not for --help)

    given = _store[-1] if _store[:1] == ["--bucket"] else ""
    if not (given and names_directory(given)):
        return ""
    return f"{given!r} is the name of a bucket: give ./{given} for the directory"
