"""Play every sample in Chromium and write docs/playback.md: ``python -m tests.browser``."""

import sys

from tests.audio_samples import AUDIO
from tests.browser.chromium import find_chromium
from tests.browser.playback import PAGE, observe, page

if __name__ == "__main__":
    program = find_chromium()
    if program is None:
        sys.exit("Chromium not found: apt-get install chromium")
    PAGE.write_text(page(observe(program, *AUDIO)), encoding="utf-8")
    print(f"wrote {PAGE}")
