"""A new command is one new file: proved by adding one to a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import audiostore

HELLO = '''\
"""Greet a store.

A file in `cli/commands/` is all that a command is.
"""


from audiostore.cli.declare import JsonOptions, StoreOptions, argument, option
from audiostore.cli.output import print_json
from audiostore.cli.store import choose_store
from audiostore.cli.values import positive

GROUP = "find"
EXAMPLE = "audiostore hello Nina --times 2"


class Options(StoreOptions, JsonOptions):
    """Options of `hello`."""

    name: str = argument("NAME", "whom to greet", default="you")
    times: int = option(metavar="N", parse=positive, default=1, help="how often")


def run(options: Options) -> int:
    """Print the greeting."""
    greeting = " ".join([f"hello {options.name}"] * options.times)
    if options.json:
        print_json({"greeting": greeting, "store": choose_store(options).location.url})
    else:
        print(greeting)
    return 0
'''

Hello = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hello(tmp_path: Path) -> Hello:
    """The command line of a copy of the package that has one more file."""
    package = tmp_path / "src" / "audiostore"
    shutil.copytree(
        Path(audiostore.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "cli" / "commands" / "hello.py").write_text(HELLO)

    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "audiostore", *args],
            env={**os.environ, "PYTHONPATH": str(package.parent), "NO_GCE_CHECK": "true"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.slow
def test_a_command_is_one_file(hello: Hello) -> None:
    done = hello("hello", "Nina", "--times", "2", "--json", "--bucket", "gs://my-bucket")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "greeting": "hello Nina hello Nina",
        "store": "gs://my-bucket",
    }
    assert hello("--json", "--bucket", "b", "hello").stdout.startswith('{"greeting": "hello you"')
    refused = hello("hello", "--times", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "argument --times: '0' is not a number of at least 1" in refused.stderr


@pytest.mark.slow
def test_it_is_in_the_help_and_in_the_completion(hello: Hello) -> None:
    assert re.search(r"\nfind:\n(  .+\n)*  hello +Greet a store\n", hello("--help").stdout)
    own = hello("hello", "--help").stdout
    for words in (
        r"Greet a store\.\n\nA file in",
        r"NAME +whom to greet",
        r"--times N +how often",
        r"examples:\n  audiostore hello Nina --times 2",
    ):
        assert re.search(words, own)
    script = hello("completion", "bash").stdout
    assert "_shtab_audiostore_hello_option_strings=(-h --help --times " in script
    assert "did you mean 'hello'?" in hello("hullo").stderr
