"""Our dataclasses are those of the standard library, but for when their methods are made."""

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

import audiostore
from audiostore import dataclass as ours

PLAIN: Any = dataclasses
OURS: Any = ours
NEED_EXTRAS = ("audiostore.fleet.beam",)


def _classes(lib: Any) -> tuple[Any, ...]:
    """Make the same classes with either library."""

    @lib.dataclass(frozen=True, slots=True)
    class Base:
        """A base."""

        kind: ClassVar[str] = "base"
        number: int
        names: list[str] = lib.field(default_factory=list, hash=False)
        secret: bytes = lib.field(default=b"", repr=False, compare=False)

        def double(self) -> int:
            return self.number * 2

    @lib.dataclass(frozen=True, slots=True)
    class Derived(Base):
        """Replaces a default, and adds a field."""

        number: int = 7
        extra: str = "x"

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ValueError(self.number)

    @lib.dataclass(slots=True)
    class Mutable:
        """Can be changed, and has no hash."""

        left: float
        made: int = lib.field(init=False, default=3)
        seen: set[int] = lib.field(init=False, default_factory=set)

    @lib.dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        """By keyword only."""

        one: int
        two: int = 2

    @lib.dataclass(slots=True, eq=False)
    class Identity:
        """Is only equal to itself."""

        only: int = 1

    return Base, Derived, Mutable, Named, Identity


def _behaviour(lib: Any) -> list[object]:
    base, derived, mutable, named, identity = _classes(lib)
    values = [
        *(base(1), base(1, ["a"], b"s"), base(number=float("nan")), base(2)),
        *(derived(), derived(3, extra="y"), mutable(1.5), named(one=1), identity(4)),
    ]
    seen: list[object] = [repr(each) for each in values]
    seen += [[one == other for other in values] for one in values]
    seen += [str(inspect.signature(type(each))) for each in values]
    seen += [type(each).__match_args__ for each in values]
    seen += [type(each).__slots__ for each in values]
    seen += [hash(one) == hash(type(one)(one.number)) for one in values[:2]]
    seen += [
        lib.replace(values[1], number=9),
        dataclasses.replace(values[1], number=9),
        values[1].double(),
        base.kind,
    ]
    seen += [dataclasses.asdict(values[1]), dataclasses.is_dataclass(base), values[6].seen]
    for act in (
        lambda: setattr(values[0], "number", 2),
        lambda: delattr(values[0], "number"),
        lambda: setattr(values[6], "other", 2),
        lambda: setattr(values[6], "left", 2.0),
        lambda: derived(-1),
        lambda: base(),
        lambda: named(1),
        lambda: hash(values[6]),
        lambda: dataclasses.replace(values[6], made=1),
        lambda: lib.replace(values[1], nothing=1),
    ):
        try:
            seen.append(act())
        except Exception as error:  # noqa: BLE001  (compared)
            seen.append((type(error), str(error)))
    return [str(each) for each in seen]


def test_classes_behave_as_those_of_the_standard_library() -> None:
    assert _behaviour(OURS) == _behaviour(PLAIN)


def _ours() -> list[type]:
    for module in pkgutil.walk_packages(audiostore.__path__, "audiostore."):
        if "__main__" not in module.name:
            with suppress(ImportError) if module.name in NEED_EXTRAS else nullcontext():
                importlib.import_module(module.name)
    return [
        value
        for name, module in sorted(sys.modules.items())
        if name.startswith("audiostore.")
        for value in vars(module).values()
        if isinstance(value, type) and "__field_specs__" in vars(value) and value.__module__ == name
    ]


@pytest.mark.slow
def test_each_class_of_the_package_has_the_signature_that_type_checkers_see() -> None:
    classes = _ours()
    assert len(classes) > 150
    for cls in classes:
        fields = [(each.name, each.type, each) for each in dataclasses.fields(cls)]
        twin = dataclasses.make_dataclass("Twin", fields)
        assert str(inspect.signature(cls)) == str(inspect.signature(twin)), cls


def test_a_subclass_may_be_of_the_standard_library_or_no_dataclass() -> None:
    base, *_ = _classes(OURS)
    derived: Any = dataclasses.dataclass(frozen=True)(
        type("Derived", (base,), {"__annotations__": {"more": int}, "more": 1})
    )
    assert ours.replace(derived(1, more=2), number=3) == derived(3, more=2)
    assert [each.name for each in ours.fields(derived)][-1] == "more"
    assert ours.is_dataclass(derived)
    assert not ours.is_dataclass(int)

    class Plain(base):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__(5)
            self.own = 1

    assert (Plain().number, Plain().own) == (5, 1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'number'"):
        Plain().number = 1


def test_values_are_pickled_and_copied() -> None:
    value = audiostore.BulkItem("a.mp3", metadata={"a": "b"})  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value


def test_a_class_costs_nothing_of_the_standard_library_until_it_is_asked_for() -> None:
    code = (
        "import sys; from audiostore.values import BlobInfo; from audiostore.media import Chapter;"
        "repr(Chapter(1.0, 2.0, 't')), hash(Chapter(1.0, 2.0, 't'));"
        "sys.exit('dataclasses' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ctrl_c_while_a_method_is_made_can_be_caught(tmp_path: Path) -> None:
    """Python notes one that leaves the execution of a text; with -m, it dies of it in the end."""
    (tmp_path / "program.py").write_text("""
import sys
from audiostore.media import Chapter
def interrupt(frame, event, arg):
    if frame.f_back and frame.f_back.f_code.co_name == "_make":
        sys.settrace(None)
        raise KeyboardInterrupt
sys.settrace(interrupt)
try:
    Chapter(1.0, 2.0, "t")
except KeyboardInterrupt:
    sys.exit(130)
""")
    command = [sys.executable, "-m", "program"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 130
