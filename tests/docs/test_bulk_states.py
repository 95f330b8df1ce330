"""The table of states in docs/bulk.md: generated from real runs whose reports were true."""

import json
import os
import subprocess
import sys

import pytest

from tests import bulk_states
from tests.assets import BUCKET, SOFT_DELETE
from tests.gcs_server import StrictServer
from tests.timing import PATIENCE_S

pytestmark = pytest.mark.slow


def generate(*arguments: str, **environment: str) -> str:
    """Run the generator, which forks, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bulk_states", *arguments],
        cwd=bulk_states.PAGE.parents[1],
        env={**os.environ, "NO_GCE_CHECK": "true", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_table_of_states_is_what_really_happens() -> None:
    page = bulk_states.PAGE.read_text("utf-8")
    assert page == generate("--print"), "run: python -m tests.bulk_states"


def test_a_bucket_has_the_same_reports_as_a_directory() -> None:
    with StrictServer(BUCKET, bucket_settings=SOFT_DELETE) as server:
        printed = generate(f"gs://{BUCKET}", STORAGE_EMULATOR_HOST=server.url)
    for text, cells in json.loads(printed).items():
        assert f"| {text} | {' | '.join(cells)} |" in bulk_states.PAGE.read_text("utf-8")
