"""Headless browsers: each opens a page, and is stopped when the page has reported its results.

The page sends its report to the server that it came from, so no driver and no library is needed.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that may be installed."""

    name: str
    programs: tuple[str, ...]
    """The names of its program."""
    arguments: Callable[[Path], list[str]]
    """Make a profile in a folder, and return what to start the program with, before the address."""

    def find(self) -> str | None:
        """Return the path of its program; None if it is not installed."""
        return next(filter(None, map(shutil.which, self.programs)), None)


def _chromium(profile: Path) -> list[str]:
    return [
        "--headless",
        "--no-sandbox",  # CI runs as root
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
        # It can reach only this machine.
        "--no-proxy-server",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ]


_FIREFOX_SETTINGS: Mapping[str, bool | int | str] = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    # It can reach only this machine: all else goes to a proxy that is not there.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "toolkit.telemetry.enabled": False,
}


def _firefox(profile: Path) -> list[str]:
    settings = (
        f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _FIREFOX_SETTINGS.items()
    )
    profile.mkdir()
    profile.joinpath("user.js").write_text("\n".join(settings), encoding="utf-8")
    return ["--headless", "--no-remote", f"--profile={profile}"]


CHROMIUM = Browser("Chromium", ("chromium", "chromium-browser", "google-chrome"), _chromium)
FIREFOX = Browser("Firefox", ("firefox-esr", "firefox"), _firefox)
"""It decodes AAC with the libavcodec of the system, which the package of Debian recommends."""
BROWSERS = (CHROMIUM, FIREFOX)
PACKAGES = "chromium firefox-esr libavcodec-extra"
"""What to install on Debian."""


@contextmanager
def opened(
    browser: Browser, url: str, *, wrapper: Sequence[str] = (), pass_fds: Sequence[int] = ()
) -> Iterator[Path]:
    """Show a page for the duration of the block; yield the file with the browser's log.

    Args:
        browser: which one.
        url: of the page.
        wrapper: a command that runs the browser, which is appended to it.
        pass_fds: descriptors that it inherits.

    Raises:
        FileNotFoundError: it is not installed.
    """
    program = browser.find()
    if program is None:
        raise FileNotFoundError(f"{browser.name} not found: apt-get install {PACKAGES}")
    with tempfile.TemporaryDirectory(
        prefix="audiostore-browser-", ignore_cleanup_errors=True
    ) as folder:
        arguments = browser.arguments(Path(folder) / "profile")
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*wrapper, program, *arguments, url],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=pass_fds,
                start_new_session=True,
                env={**os.environ, "HOME": folder},
            )
        try:
            yield log
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own session: only its child processes
    process.wait()
