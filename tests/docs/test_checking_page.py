"""docs/checking.md names every kind of problem, and says of each what is done: held to the code."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audiostore import AudioStorageManager, LocalStore, RetryConfig
from audiostore.audit.checking import Checker
from audiostore.audit.problems import (
    GRACE,
    DeleteObject,
    Problem,
    RemoveForeignFile,
    RestoreAsset,
    UpdateObject,
)
from tests.damages import DAMAGES, FOREIGN_FILES, PURGED, Damage, Patient

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / "src" / "audiostore" / "audit"
KIND = re.compile(r"[a-z]+(?:-[a-z]+)+")
REPAIRS = {
    "deletes": DeleteObject,
    "updates": UpdateObject,
    "restores": RestoreAsset,
    "removes": RemoveForeignFile,
    "nothing": type(None),
}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """What the page says of a kind."""

    repairs: frozenset[type]
    young: str


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    found: dict[str, Row] = {}
    for line in (ROOT / "docs" / "checking.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[1].startswith("`"):
            kind, _, repaired, young = cells[1:5]
            words = re.findall(r"(?:^|; |, |else )(\w+)", repaired.partition(":")[0])
            repairs = frozenset(REPAIRS[word] for word in words if word in REPAIRS)
            assert kind.strip("`") not in found
            found[kind.strip("`")] = Row(repairs, young)
    return found


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    store = LocalStore(tmp_path / "store")
    with AudioStorageManager(store=store, retry_config=RetryConfig(max_attempts=1)) as manager:
        patient = Patient(store, manager, tmp_path / "store")
        patient.asset()  # with which nothing is wrong
        yield patient


def _problems(patient: Patient, now: datetime) -> list[Problem]:
    return list(Checker(patient.manager, now=lambda: now, sleep=lambda _: None).run())


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(AUDIT.glob("*.py")):
        yield path.name, ast.parse(path.read_text("utf-8"))


def test_the_page_has_every_kind_and_no_other(rows: dict[str, Row]) -> None:
    kinds = {
        node.value
        for _, module in _modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and KIND.fullmatch(node.value)
    }
    assert rows.keys() == kinds


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", [*DAMAGES, PURGED, *FOREIGN_FILES], ids=lambda d: d.make.__name__
)
def test_the_page_says_what_is_done(rows: dict[str, Row], patient: Patient, damage: Damage) -> None:
    name = damage.make(patient)
    row = rows[damage.kind]
    (problem,) = _problems(patient, datetime.now(UTC) + GRACE + DAY)
    assert (problem.kind, problem.name) == (damage.kind, name)
    assert type(problem.repair) in row.repairs
    is_repaired = problem.repair is not None
    young = _problems(patient, problem.changed_at or datetime.now(UTC))
    if damage.kind == "foreign-file":
        assert row.young == "is not reported, if it could be removed"
        assert [p.kind for p in young] == ([] if is_repaired else [damage.kind])
    elif young:
        assert row.young == ("is reported, left alone" if is_repaired else "is reported")
    else:
        assert row.young == "is not reported"


@pytest.mark.slow
def test_no_repair_on_the_page_is_an_invention(rows: dict[str, Row], patient: Patient) -> None:
    seen: dict[str, set[type]] = {kind: set() for kind in rows}
    for damage in (*DAMAGES, PURGED, *FOREIGN_FILES):
        damage.make(patient)
    for problem in _problems(patient, datetime.now(UTC) + GRACE + DAY):
        seen[problem.kind].add(type(problem.repair))
    made = {kind: frozenset(repairs) for kind, repairs in seen.items() if repairs}
    assert made == {kind: rows[kind].repairs for kind in made}
    # In test_audit.py and tests/faults/test_customer_keys.py.
    made_elsewhere = {"folder-placeholder", "unreadable-object"}
    assert rows.keys() - made.keys() == _deep_kinds().keys() | made_elsewhere


def test_the_page_names_each_problem_that_only_a_deep_check_finds(rows: dict[str, Row]) -> None:
    deep = _deep_kinds()
    assert len(deep) == 6
    for kind, is_repaired in deep.items():
        assert rows[kind].repairs == {UpdateObject if is_repaired else type(None)}
        assert rows[kind].young == ("is reported, left alone" if is_repaired else "is reported")


def _deep_kinds() -> dict[str, bool]:
    """Return the kinds of the module `deep`, and whether a repair is made of each."""
    module = dict(_modules())["deep.py"]
    return {
        argument.value: any(keyword.arg == "repair" for keyword in node.keywords)
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "problem_of"
        for argument in node.args
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and KIND.fullmatch(argument.value)
    }
