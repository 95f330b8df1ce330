"""The tool that breaks the core names modules and tests that exist, and breaks them in fact."""

import ast
from pathlib import Path

from tests.mutants.mutations import mutations
from tests.mutants.targets import EQUIVALENT, NEAREST, reason

ROOT = Path(__file__).parents[2]


def test_every_module_and_every_test_that_is_named_exists() -> None:
    for module, tests in NEAREST.items():
        assert (ROOT / "src/audiostore" / module).is_file(), module
        assert all((ROOT / test).is_file() for test in tests), module


def test_what_is_explained_as_equivalent_is_a_mutation_of_today() -> None:
    for each in EQUIVALENT:
        found = mutations(Path("src/audiostore") / each.path, ROOT)
        assert any(reason(m.path, m.before, m.after) == each.why for m in found), each


def test_a_mutation_changes_one_place_and_nothing_that_people_only_read(tmp_path: Path) -> None:
    source = (
        'def f(a: int = 1) -> int:\n    """Text 1."""\n    logger.info("x %s", a > 1)\n'
        '    if a == 2 and not a:\n        raise ValueError(f"is {a + 1}")\n    return a + 1\n'
    )
    (tmp_path / "m.py").write_text(source)
    found = mutations(Path("m.py"), tmp_path)
    for each in found:
        assert each.source != source
        ast.parse(each.source)
    assert {(each.before, each.after) for each in found} == {
        ("1", "2"),
        ("2", "3"),
        ("a == 2", "(a != 2)"),
        ("a == 2 and not a", "(a == 2 or not a)"),
        ("a == 2 and not a", "(not (a == 2 and (not a)))"),
        ("not a", "(a)"),
        ('raise ValueError(f"is {a + 1}")', "pass"),
        ("return a + 1", "return None"),
        ("a + 1", "(a - 1)"),
    }


def test_a_result_that_is_false_is_not_made_none(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f() -> bool:\n    return False\n")
    assert [each.after for each in mutations(Path("m.py"), tmp_path)] == ["True"]
