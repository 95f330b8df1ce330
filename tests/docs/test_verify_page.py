"""The page on verify-bucket: its tables are generated, its commands and its Python run."""

import re
import shlex
from collections.abc import Iterator

import pytest

from audiostore.cli import main
from tests import verify_table
from tests.gcs_server import AS_NEW, StrictServer
from tests.unit.test_second_opinion import BROKEN_THERE

pytestmark = pytest.mark.slow
TEXT = verify_table.PAGE.read_text("utf-8")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictServer]:
    with StrictServer("my-bucket", bucket_settings=AS_NEW) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


def test_its_tables_are_those_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "")  # so that it is put back
    assert verify_table.generated(TEXT) == TEXT, "run: python -m tests.verify_table"
    assert len(BROKEN_THERE) == 12
    assert "twelve of them fail" in TEXT


def test_its_commands_run(server: StrictServer, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0, capsys.readouterr().err
    assert server.objects("my-bucket") == []


def test_its_python_runs(server: StrictServer, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" USD")
    assert lines[1].startswith("passed create-once ")
    assert "objects were deleted by generation" in lines[-1]
    assert server.objects("my-bucket") == []
