"""The configuration file: stores by name.

::

    default = "studio"

    [stores.studio]
    url = "gs://music/prod"
    billing_project = "my-project"

    [stores.archive]
    url = "./archive"        # relative to the directory of this file

It holds no secrets: credentials are Application Default Credentials.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from audiostore.config import absolute_url, config_file, configured_store, parse_location
from audiostore.dataclass import dataclass
from audiostore.errors import ConfigurationError, shown

_TOP_KEYS = ("default", "stores")
_STORE_KEYS = ("url", "billing_project")
_NAMES_SHOWN = 12
_OTHER_SCHEME = re.compile(r"(?!gs:|file:)[a-z][a-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class NamedStore:
    """A store that the configuration file names."""

    name: str
    url: str
    """A relative path in it has become a ``file:`` URL."""
    billing_project: str | None
    file: Path
    """The configuration file."""


def find_store(name: str) -> NamedStore:
    """Return the store that the configuration file has under a name.

    Raises:
        ConfigurationError: it names no such store; or it is missing, cannot be read, or is not
            valid.
    """
    path, _ = config_file()
    config = _read(path)
    if config is None:
        raise ConfigurationError(
            f"no store named {shown(name)}: there is no configuration {str(path)!r}", path=path
        )
    return config.store(name)


def default_store() -> NamedStore | None:
    """Return the store that the configuration file has as the default, None without one.

    Raises:
        ConfigurationError: the file cannot be read, is not valid, or AUDIOSTORE_CONFIG names a
            file that does not exist.
    """
    path, is_named = config_file()
    config = _read(path)
    if config is None:
        if is_named:
            raise ConfigurationError(f"no configuration {str(path)!r}: no such file", path=path)
        return None
    return config.default()


def store_of(name: str | None) -> NamedStore:
    """Return the store of a name, else that of AUDIOSTORE_STORE, else the default.

    Raises:
        ConfigurationError: no store is named, or the configuration is not valid.
    """
    given = configured_store() if name is None else name
    found = default_store() if given is None else find_store(given)
    if found is None:
        raise ConfigurationError(
            f'no store is named: pass a name, set AUDIOSTORE_STORE, or write default = "NAME" '
            f"into the configuration {str(config_file()[0])!r}"
        )
    return found


def _read(path: Path) -> "_Config | None":
    """Return what is in the file, None if there is none."""
    try:
        text = path.read_text("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot read the configuration {str(path)!r}: {reason}", path=path
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _invalid(path, line, "not valid TOML: it is not UTF-8") from error
    import tomllib  # noqa: PLC0415  (only if there is a file)

    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError names the line
        raise _invalid(path, None, f"not valid TOML: {error}") from error
    return _Config(path, text, values)


class _Config:
    """A configuration file whose keys and types are valid."""

    def __init__(self, path: Path, text: str, values: Mapping[str, object]) -> None:
        self._path = path
        self._text = text
        self._require_known(values, _TOP_KEYS)
        self._default = self._text_of(values, "default")
        self._stores = self._table(values, "stores")
        for name in self._stores:
            store = self._table(self._stores, name, "stores")
            self._require_known(store, _STORE_KEYS, "stores", name)
            for key in _STORE_KEYS:
                self._text_of(store, key, "stores", name)
            if "url" not in store:
                raise self._wrong(f"[stores.{name}] has no url", "stores", name)

    def default(self) -> NamedStore | None:
        """Return the default store, None without one."""
        if self._default is None:
            return None
        return self.store(self._default, "default")

    def store(self, name: str, *at: str) -> NamedStore:
        """Return the store of a name, which stands at some place in the file, or elsewhere."""
        if name not in self._stores:
            hint = _near(name, self._stores)
            raise self._wrong(f"no store named {shown(name)}: {hint}", *at)
        store = self._table(self._stores, name, "stores")
        try:
            url = absolute_url(str(store["url"]), self._path.absolute().parent)
            if _OTHER_SCHEME.match(url) is None:  # only who opens the store knows the others
                parse_location(url)
        except ConfigurationError as error:
            raise self._wrong(str(error), "stores", name, "url") from error
        payer = self._text_of(store, "billing_project", "stores", name)
        return NamedStore(name, url, payer, self._path)

    def _require_known(
        self, values: Mapping[str, object], known: Collection[str], *at: str
    ) -> None:
        for key in values:
            if key not in known:
                where = f" in [{'.'.join(at)}]" if at else ""
                raise self._wrong(f"unknown key {shown(key)}{where}: {_near(key, known)}", *at, key)

    def _text_of(self, values: Mapping[str, object], key: str, *at: str) -> str | None:
        value = values.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self._wrong(f"{key} = {shown(value)} must be a non-empty string", *at, key)

    def _table(self, values: Mapping[str, object], key: str, *at: str) -> Mapping[str, object]:
        value = values.get(key, {})
        if isinstance(value, dict):
            return value
        raise self._wrong(f"{'.'.join([*at, key])} = {shown(value)} must be a table", *at, key)

    def _wrong(self, why: str, *at: str) -> ConfigurationError:
        return _invalid(self._path, _line_of(self._text, at), why)


def _invalid(path: Path, line: int | None, why: str) -> ConfigurationError:
    place = "" if line is None else f", line {line}"
    return ConfigurationError(f"configuration {str(path)!r}{place}: {why}", path=path)


def _near(word: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  (only for an error)

    near = get_close_matches(word, known, 1)
    if near or not known:
        return f"did you mean {shown(near[0])}?" if near else "no store is configured"
    return f"known: {', '.join(map(shown, sorted(known)[:_NAMES_SHOWN]))}"


def _line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line of a key within tables, as far as it is found: TOML readers tell none."""
    uncommented = re.sub(r"#[^\n]*", "", text)
    position = 0
    for key in keys:
        pattern = rf"""(?<![\w-])["']?{re.escape(key)}["']?\s*(?=[=\].])"""
        found = re.compile(pattern).search(uncommented, position)
        if found is None:
            return None
        position = found.end()
    return uncommented.count("\n", 0, position) + 1 if keys else None
