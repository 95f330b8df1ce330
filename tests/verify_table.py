"""The sample output in docs/verify-bucket.md: ``python -m tests.verify_table`` writes it.

It is that of a real run on the strict server; what differs from run to run is always the same here.
"""

import io
import os
import re
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from audiostore.cli import main
from audiostore.verify import CHECKS
from tests.gcs_server import AS_NEW, StrictServer

PAGE = Path(__file__).parent.parent / "docs" / "verify-bucket.md"
_SAMPLE = re.compile(r"(<!-- sample: .*? -->\n```\n).*?(```\n<!-- end of sample -->)", re.DOTALL)
_CHECKS = re.compile(r"(<!-- checks: .*? -->\n).*?(<!-- end of checks -->)", re.DOTALL)
_VARYING = (
    (r"(audiostore) [\d.]+\w*", r"\1 0.1.0"),
    (r"(Python) [\d.]+\w*", r"\1 3.11.9"),
    (r"(pycurl) [\d.]+\w*", r"\1 7.49.0"),
    (r"(google-auth) [\d.]+\w*", r"\1 2.62.2"),
    (r", on \w+$", ", on Linux"),
    (r"after byte [\d,]+", "after byte 8,126,464"),
    (r"until \d{4}-\d\d-\d\d", "until 2026-12-06"),
)


def generated(page: str) -> str:
    """Return the page with the table of the checks and the output of a run."""
    rows = [f"| `{check.name}` | {check.promise} |\n" for check in CHECKS]
    table = "".join(["| check | promise |\n", "|---|---|\n", *rows])
    page = _CHECKS.sub(lambda found: found[1] + table + found[2], page)
    sample = _run()
    return _SAMPLE.sub(lambda found: found[1] + sample + found[2], page)


def _run() -> str:
    with (
        tempfile.TemporaryDirectory() as state,
        StrictServer("my-bucket", bucket_settings=AS_NEW) as server,
    ):
        os.environ |= {"STORAGE_EMULATOR_HOST": server.url, "XDG_STATE_HOME": state}
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            code = main(["verify-bucket", "gs://my-bucket"])
    text = out.getvalue()
    if code != 0:
        raise RuntimeError(f"verify-bucket failed on the strict server:\n{text}")
    for pattern, words in _VARYING:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    return text


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text("utf-8")), "utf-8")
