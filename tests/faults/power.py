"""What a power failure may leave: a model of a file system that has not written everything yet.

`Recorder` records every file operation of a real run, in this process; the real calls are made as
well. `crashes` then yields, for every step of the run, the trees that may be found on the disk if
the power fails right after it:

- Bytes written to a file, and its modification time, are certain only after an `fsync` of the
  file. Before, they may be there, or not, or torn: cut in half, or of the right length, but zeros.
- The names in a folder are certain only after an `fsync` of the folder. Before, each change (a new
  name, a removed one, a rename) may be there or not, in any order.
- A rename is atomic where it gives a name: the old file or the new one. That the old name is gone
  is certain later, or at the same time, but never earlier (POSIX says less; ext4, XFS, Btrfs and
  APFS write both in one transaction).

These are the rules of Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), without
what is only certain on some file systems. Of the subsets of the uncertain changes, those are tried
with none, all, all but one, only one, the first of them in order, and the names without the bytes.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LOST_TIME_NS = 1_700_000_000_123_456_789
"""A modification time that was never written: any other than the one that was set."""
_PATCHED = (
    *("open", "write", "pwrite", "fsync", "fdatasync", "link", "rename", "replace"),
    *("unlink", "remove", "mkdir", "rmdir", "utime", "ftruncate"),
)


class Node:
    """A file, or a folder."""

    def __init__(self, *, is_folder: bool) -> None:
        self.is_folder = is_folder
        self.start: Any = {} if is_folder else b""
        self.start_ns = _LOST_TIME_NS


@dataclass(frozen=True)
class Operation:
    """A file operation that has changed something."""

    kind: str
    node: Node
    """The file or folder that is changed or synced."""
    name: str = ""
    other: Node | None = None
    """What gets the name; of a rename, the folder that loses it."""
    other_name: str = ""
    data: bytes = b""
    number: int = 0
    """An offset, a size or a time."""


class Recorder:
    """Records the operations below a folder, whose content is on the disk when it begins."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.operations: list[Operation] = []
        self._labels: dict[Node, str] = {}
        self._nodes: dict[tuple[int, int], Node] = {}
        self._lock = threading.RLock()
        self.root = self._found(base)

    def _found(self, path: Path) -> Node:
        status = path.lstat()
        node = self._nodes.get((status.st_dev, status.st_ino))
        if node is None:
            node = self._nodes[status.st_dev, status.st_ino] = Node(is_folder=path.is_dir())
            self._labels[node] = path.name
            if node.is_folder:
                node.start = {each.name: self._found(each) for each in sorted(path.iterdir())}
            else:
                node.start, node.start_ns = path.read_bytes(), status.st_mtime_ns
        return node

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record while this lasts; then see that nothing was missed."""
        real = {name: getattr(os, name) for name in _PATCHED}
        try:
            for name, function in real.items():
                setattr(os, name, self._wrapped(name, function))
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)
        model = Disk(self.root)
        for operation in self.operations:
            model.apply(operation)
        assert _shape(model.tree(model.everything())) == _shape(_tree_of(self.base)), "missed some"

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        record: Callable[..., Callable[[], None]] = getattr(self, f"_{name}")

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:  # what threads do is recorded in the order in which it is done
                done = record(*args, **kwargs)
                result = function(*args, **kwargs)
                if name in ("open", "write", "pwrite"):
                    done(result)  # type: ignore[call-arg]
                else:
                    done()
            return result

        return call

    def _place(self, path: Any, descriptor: int | None) -> tuple[Node | None, str]:
        folder, name = os.path.split(os.fspath(path))
        if descriptor is not None:
            assert not folder, "a path in a folder that is open"
            status = os.fstat(descriptor)
        else:
            try:
                status = Path(folder).stat()
            except OSError:
                return None, name
        return self._nodes.get((status.st_dev, status.st_ino)), name

    def _node(self, descriptor: int) -> Node | None:
        status = os.fstat(descriptor)
        return self._nodes.get((status.st_dev, status.st_ino))

    def _add(self, kind: str, node: Node | None, *args: Any, **fields: Any) -> None:
        if node is None:
            return
        operation = Operation(kind, node, *args, **fields)
        if kind == "name" and operation.other is not None:
            self._labels[operation.other] = operation.name
        self.operations.append(operation)

    def report(self, name: str) -> None:
        """Record that something is reported as done, from here on."""
        with self._lock:
            self._add("report", self.root, name)

    def reported(self, step: int) -> set[str]:
        """Return what has been reported at a step."""
        return {each.name for each in self.operations[:step] if each.kind == "report"}

    def synced(self) -> list[str]:
        """Return, for each `fsync`, the last name of the file or folder that it was about."""
        return [self._labels[each.node] for each in self.operations if each.kind == "sync"]

    def _open(self, path: Any, flags: int, *_: Any, dir_fd: int | None = None) -> Any:
        folder, name = self._place(path, dir_fd)
        is_new = folder is not None and bool(flags & os.O_CREAT) and not _exists(path, dir_fd)

        def done(descriptor: int) -> None:
            if is_new:
                status = os.fstat(descriptor)
                node = self._nodes[status.st_dev, status.st_ino] = Node(is_folder=False)
                self._add("name", folder, name, node)

        return done

    def _write(self, descriptor: int, data: Any) -> Any:
        node = self._node(descriptor)
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) if node else 0
        return lambda size: self._add("data", node, data=bytes(data)[:size], number=offset)

    def _pwrite(self, descriptor: int, data: Any, offset: int) -> Any:
        node = self._node(descriptor)
        return lambda size: self._add("data", node, data=bytes(data)[:size], number=offset)

    def _ftruncate(self, descriptor: int, length: int) -> Any:
        node = self._node(descriptor)
        return lambda: self._add("size", node, number=length)

    def _fsync(self, descriptor: int) -> Any:
        node = self._node(descriptor)
        return lambda: self._add("sync", node)

    _fdatasync = _fsync

    def _utime(self, target: Any, times: Any = None, *, ns: Any = None) -> Any:
        assert isinstance(target, int)
        assert times is None
        node = self._node(target)
        return lambda: self._add("time", node, number=ns[1])

    def _link(
        self,
        source: Any,
        target: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> Any:
        del follow_symlinks
        folder, name = self._place(target, dst_dir_fd)
        status = os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False)
        node = self._nodes.get((status.st_dev, status.st_ino))
        return lambda: self._add("name", folder, name, node)

    def _rename(
        self,
        source: Any,
        target: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> Any:
        old, old_name = self._place(source, src_dir_fd)
        folder, name = self._place(target, dst_dir_fd)
        assert (old is None) == (folder is None), "a file left what is recorded"
        status = os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False)
        node = self._nodes.get((status.st_dev, status.st_ino))

        def done() -> None:
            self._add("rename", folder, name, old, old_name)
            if node is not None:
                self._labels[node] = name

        return done

    _replace = _rename

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> Any:
        folder, name = self._place(path, dir_fd)
        return lambda: self._add("unname", folder, name)

    _remove = _rmdir = _unlink

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> Any:
        del mode
        folder, name = self._place(path, dir_fd)

        def done() -> None:
            if folder is not None:
                status = os.stat(path, dir_fd=dir_fd)
                node = self._nodes[status.st_dev, status.st_ino] = Node(is_folder=True)
                self._add("name", folder, name, node)

        return done


Tree = dict[str, tuple[int, bytes, int] | None]
"""By path: a folder (None), or a file: a number for each, its bytes, its modification time."""


@dataclass(eq=False)
class Change:
    """A change of the names of a folder, or of a file, that is not certain yet."""

    node: Node
    operation: Operation
    content: bytes = b""
    """Of a file: all its bytes after it."""
    is_removal: bool = False
    """Of a rename: the second half of it."""
    half: "Change | None" = None
    """Of a rename between folders: its other half."""


@dataclass(frozen=True)
class Choice:
    """Which of the uncertain changes are on the disk, and whether a file is torn."""

    changes: frozenset[int]
    torn: Node | None = None
    tear: Callable[[bytes], bytes] = field(default=bytes)


class Disk:
    """What is certain on a disk, and what is not."""

    def __init__(self, root: Node, ignored: int = -1) -> None:
        self._root = root
        self._certain: dict[Node, Any] = {}
        self._times: dict[Node, int] = {}
        self._now: dict[Node, Any] = {}
        self._numbers: dict[Node, int] = {}
        self.pending: list[Change] = []
        self._ignored = ignored
        self._syncs = 0

    def apply(self, operation: Operation) -> None:
        """Carry out an operation."""
        node, kind = operation.node, operation.kind
        match kind:
            case "sync":
                self._syncs += 1
                if self._syncs - 1 != self._ignored:
                    self._sync(node)
            case "data":
                content = bytearray(self._content(node).ljust(operation.number, b"\0"))
                end = operation.number + len(operation.data)
                content[operation.number : end] = operation.data
                self._change_content(node, operation, bytes(content))
            case "size":
                left = self._content(node)[: operation.number]
                self._change_content(node, operation, left.ljust(operation.number, b"\0"))
            case "rename":
                names = self._names(operation.other)
                moved = names.pop(operation.other_name)
                self._names(node)[operation.name] = moved
                given = Operation("name", node, operation.name, moved)
                if node is operation.other:
                    self.pending.append(Change(node, operation))
                else:
                    assert operation.other is not None
                    gained = Change(node, given)
                    taken = Operation("unname", operation.other, operation.other_name)
                    lost = Change(operation.other, taken, is_removal=True, half=gained)
                    gained.half = lost
                    self.pending += [gained, lost]
            case "name":
                self._names(node)[operation.name] = operation.other
                self.pending.append(Change(node, operation))
            case "unname":
                del self._names(node)[operation.name]
                self.pending.append(Change(node, operation))
            case "time":
                self.pending.append(Change(node, operation))

    def _change_content(self, node: Node, operation: Operation, content: bytes) -> None:
        self._now[node] = content
        self.pending.append(Change(node, operation, content))

    def _content(self, node: Node) -> bytes:
        return bytes(self._now.setdefault(node, node.start))

    def _names(self, node: Node | None) -> dict[str, Any]:
        assert node is not None
        names: dict[str, Any] = self._now.setdefault(node, dict(node.start))
        return names

    def _sync(self, node: Node) -> None:
        certain = [change for change in self.pending if change.node is node]
        # That a name is gone elsewhere is on the disk only with the name that it was given.
        certain += [c.half for c in certain if c.is_removal and c.half in self.pending]
        for change in [c for c in self.pending if c in certain]:
            self._make(change, self._certain, self._times)
        self.pending = [change for change in self.pending if change not in certain]

    def _make(self, change: Change, contents: dict[Node, Any], times: dict[Node, int]) -> None:
        node, operation = change.node, change.operation
        match operation.kind:
            case "data" | "size":
                contents[node] = change.content
            case "time":
                times[node] = operation.number
            case _:
                names = dict(contents.get(node, node.start))
                if operation.kind == "name":
                    names[operation.name] = operation.other
                elif operation.kind == "unname":
                    names.pop(operation.name, None)
                elif operation.other_name in names:
                    names[operation.name] = names.pop(operation.other_name)
                contents[node] = names

    def everything(self) -> Choice:
        """Return the choice of all changes: what a process sees."""
        return Choice(frozenset(range(len(self.pending))))

    def choices(self) -> Iterator[Choice]:
        """Yield which of the uncertain changes are on the disk."""
        numbers = range(len(self.pending))
        every = frozenset(numbers)
        yield Choice(frozenset())
        for number in numbers:
            yield Choice(self._possible(frozenset(range(number + 1))))
            yield Choice(self._possible(every - {number}))
            yield Choice(self._possible(frozenset([number])))
        names = frozenset(n for n in numbers if self.pending[n].node.is_folder)
        yield Choice(names)
        times = frozenset(n for n in numbers if self.pending[n].operation.kind == "time")
        yield Choice(names | times)
        for node in {c.node for c in self.pending if c.operation.kind in ("data", "size")}:
            yield Choice(every, node, lambda data: bytes(len(data)))
            yield Choice(every, node, lambda data: data[: len(data) // 2])

    def _possible(self, chosen: frozenset[int]) -> frozenset[int]:
        """Leave out the second half of each rename whose first half is not there."""
        return frozenset(
            n
            for n in chosen
            if not (change := self.pending[n]).is_removal
            or change.half not in self.pending
            or self.pending.index(change.half) in chosen
        )

    def tree(self, choice: Choice) -> Tree:
        """Return what is on the disk."""
        contents, times = dict(self._certain), dict(self._times)
        for number, change in enumerate(self.pending):
            if number in choice.changes:
                self._make(change, contents, times)
        tree: Tree = {}

        def visit(node: Node, path: str) -> None:
            content = contents.get(node, node.start)
            if node.is_folder:
                tree[path] = None
                for name, each in sorted(content.items()):
                    visit(each, f"{path}/{name}")
            else:
                number = self._numbers.setdefault(node, len(self._numbers))
                data = choice.tear(content) if node is choice.torn else content
                tree[path] = (number, data, times.get(node, node.start_ns))

        visit(self._root, "")
        return tree


def crashes(recorder: Recorder, *, ignored: int = -1) -> Iterator[tuple[int, Tree]]:
    """Yield the trees that a power failure may leave, each once, with the step at which.

    Args:
        recorder: of a run.
        ignored: the number of an `fsync`, from 0, that is left out.
    """
    disk = Disk(recorder.root, ignored)
    seen: set[tuple[Any, ...]] = set()
    last = len(recorder.operations)
    for step in range(last + 1):
        if step:
            disk.apply(recorder.operations[step - 1])
        for choice in disk.choices():
            tree = disk.tree(choice)
            key = (
                step == last,
                len(recorder.reported(step)),
                *sorted(tree.items(), key=lambda item: item[0]),
            )
            if key not in seen:
                seen.add(key)
                yield step, tree


def build(tree: Tree, base: Path) -> None:
    """Make a tree on the disk."""
    made: dict[int, Path] = {}
    for place, file in tree.items():
        path = base / place.lstrip("/")
        if file is None:
            path.mkdir()
        elif file[0] in made:
            os.link(made[file[0]], path)
        else:
            path.write_bytes(file[1])
            os.utime(path, ns=(file[2], file[2]))
            made[file[0]] = path


def _exists(path: Any, dir_fd: int | None) -> bool:
    try:
        os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _tree_of(base: Path) -> Tree:
    """Return the tree that is really there."""
    tree: Tree = {"": None}
    for path in base.rglob("*"):
        status = path.lstat()
        place = f"/{path.relative_to(base)}"
        tree[place] = (
            None if path.is_dir() else (status.st_ino, path.read_bytes(), status.st_mtime_ns)
        )
    return tree


def _shape(tree: Tree) -> list[tuple[str, int, bytes]]:
    """Return what must be the same of a tree in the model and on the disk."""
    files: dict[int, int] = {}
    return [
        (path, -1, b"") if file is None else (path, files.setdefault(file[0], len(files)), file[1])
        for path, file in sorted(tree.items(), key=lambda item: item[0])
    ]
