"""The servers that are compared, each for the duration of a block."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_PATIENCE_S = 60.0
USER_HEADER = "X-User"
_NGINX = """\
daemon off;
{user}worker_processes {workers};
pid {folder}/pid;
error_log stderr warn;
events {{}}
http {{
  access_log {folder}/access.log;
  default_type application/octet-stream;
  sendfile on;
  keepalive_requests 10000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A server on this machine."""

    url: str
    """Of its page; with a token, if it wants one."""
    port: int
    pids: tuple[int, ...]
    """Its processes."""

    @property
    def credentials(self) -> dict[str, str]:
        """The headers of a request that say who makes it."""
        tokens = parse_qs(urlsplit(self.url).query).get("token")
        return {"Authorization": f"Bearer {tokens[0]}"} if tokens else {USER_HEADER: "bench"}


BEHIND_A_PROXY = ("--trust-proxy", "127.0.0.1", "--user-header", USER_HEADER)
"""The proxy names the users. The rate of each of them is limited, as it is by default: the load is
that of many."""


@contextmanager
def audiostore(
    store: Path, log: Path, environ: Mapping[str, str], options: Sequence[str] = ()
) -> Iterator[Running]:
    """Serve a store with `audiostore serve`; without options, its URL has a token."""
    command = [
        *(sys.executable, "-m", "audiostore", "serve", "--bucket", str(store)),
        *("--port", "0", "--json", *options),
    ]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, env=environ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"audiostore serve: {log.read_text()[-500:]}")
            url: str = json.loads(line)["url"]
            yield Running(url, urlsplit(url).port or 0, (process.pid,))
        finally:
            _stop(process, signal.SIGTERM)


def nginx_path() -> str | None:
    """Return the path of nginx; None if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def nginx_version(program: str) -> str:
    """Return its name and version, such as "nginx 1.22.1"."""
    shown = subprocess.run([program, "-v"], check=True, capture_output=True, text=True).stderr
    return shown.strip().rpartition(" ")[2].replace("/", " ")


@contextmanager
def nginx(program: str, root: Path, folder: Path, *, workers: int) -> Iterator[Running]:
    """Serve the files below a directory with nginx; `folder` is for its own files."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            # Its workers are those of "nobody" else, who may not read our files.
            user="user root;\n" if os.geteuid() == 0 else "",
            workers=workers,
            folder=folder,
            port=port,
            root=root.absolute(),
        )
    )
    command = [program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            _await_port(process, port)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            pids = (process.pid, *map(int, children.split()))
            yield Running(f"http://127.0.0.1:{port}/", port, pids)
        finally:
            _stop(process, signal.SIGTERM)


def _await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    process.terminate()
    assert process.stderr is not None
    raise RuntimeError(f"nginx: {process.stderr.read().decode(errors='replace').strip()}")


def _stop(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
