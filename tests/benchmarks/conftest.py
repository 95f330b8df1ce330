"""The benchmark server; tests that need it are skipped without a C compiler."""

from collections.abc import Iterator

import pytest

from benchmarks.server import NoCompilerError, Server, compiler, running


@pytest.fixture(scope="session")
def c_compiler() -> None:
    try:
        compiler()
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture
def server(c_compiler: None) -> Iterator[Server]:
    with running(keep=True, limit_s=120) as started:
        yield started
