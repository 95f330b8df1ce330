"""Play every sample in each browser and write docs/playback.md: ``python -m tests.browser``."""

import sys

from tests.browser.browsers import BROWSERS, PACKAGES
from tests.browser.playback import PAGE, SAMPLES, observe_all, page

if __name__ == "__main__":
    if missing := [browser.name for browser in BROWSERS if browser.find() is None]:
        sys.exit(f"{' and '.join(missing)} not found: apt-get install {PACKAGES}")
    PAGE.write_text(page(observe_all(*SAMPLES)), encoding="utf-8")
    print(f"wrote {PAGE}")
