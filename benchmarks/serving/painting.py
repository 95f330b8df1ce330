"""How soon a person sees the page of the service, in Chromium."""

import subprocess
from dataclasses import dataclass
from statistics import median

from benchmarks.serving.servers import Running
from tests.browser.browsers import CHROMIUM
from tests.page.keyboard import at_keyboard

BAR_MS = 100
_ENTRY = """new Promise((found) => {{
  new PerformanceObserver((list) => {{
    const entry = list.getEntries().find((each) => {wanted});
    if (entry) found({moment});
  }}).observe({{type: "{kind}", buffered: true}});
}})"""
_PAINT = _ENTRY.format(
    kind="paint", wanted="each.name === 'first-contentful-paint'", moment="entry.startTime"
)
_LIST = _ENTRY.format(
    kind="resource", wanted="each.name.includes('/v1/assets?')", moment="entry.responseEnd"
)


@dataclass(frozen=True, slots=True)
class Painted:
    """When the page showed something, and had its list: medians, since it was asked for."""

    browser: str
    paint_ms: float
    list_ms: float


def painted(service: Running, *, times: int) -> Painted | None:
    """Open the page again and again, in one browser; None if Chromium is not installed."""
    program = CHROMIUM.find()
    if program is None:
        return None
    shown = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    paints, lists = [], []
    # The first visit is not counted: it takes the token, and the browser is still starting.
    with at_keyboard(CHROMIUM, service.url) as browser:
        for _ in range(times):
            browser.open(f"http://127.0.0.1:{service.port}/")
            paints.append(float(browser.evaluate(_PAINT)))
            lists.append(float(browser.evaluate(_LIST)))
    return Painted(" ".join(shown.stdout.split()[:2]), median(paints), median(lists))
