"""Takes the screenshots of docs/page in Chromium: python -m tests.page."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from audiostore import AudioStorageManager, BulkItem
from tests.assets import EXAMPLES
from tests.browser.browsers import CHROMIUM, PACKAGES
from tests.page.test_page import TOKEN, serving

_PICTURES = Path(__file__).parents[2] / "docs" / "page"
_SOUNDS = (".mp3", ".wav", ".ogg", ".opus", ".flac", ".m4a")
_COLOURS = 128
_DARK = ("--blink-settings=preferredColorScheme=0",)


def main() -> int:
    """Take all pictures; return 1 if Chromium is missing."""
    program = CHROMIUM.find()
    if program is None:
        print(f"{CHROMIUM.name} not found: apt-get install {PACKAGES}", file=sys.stderr)
        return 1
    _PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        AudioStorageManager(Path(folder, "store").as_uri()) as manager,
    ):
        _fill(manager)
        shown = next(each for each in manager.list() if each.title == "Paper Lanterns")
        with serving(manager) as (_, port):
            url = f"http://127.0.0.1:{port}/?token={TOKEN}"
            asset = f"{url}#/asset/{shown.audio_id}"

            def take(name: str, address: str, size: str, more: Sequence[str] = ()) -> None:
                picture = _PICTURES / f"{name}.png"
                arguments = [*CHROMIUM.arguments(Path(folder, name)), *more]
                subprocess.run(
                    [
                        *(program, *arguments, f"--window-size={size}", "--hide-scrollbars"),
                        *("--virtual-time-budget=5000", f"--screenshot={picture}", address),
                    ],
                    check=True,
                    capture_output=True,
                    timeout=120,
                )
                with Image.open(picture) as image:
                    image.quantize(_COLOURS).save(picture, optimize=True)
                print(picture.name)

            take("library", url, "1000,640")
            take("asset", asset, "1000,640", _DARK)
            take("phone", url, "400,760")
    return 0


def _fill(manager: AudioStorageManager) -> None:
    covers = {
        path.stem: path for path in EXAMPLES.iterdir() if path.suffix in (".jpg", ".png", ".webp")
    }
    tracks = sorted(path for path in EXAMPLES.iterdir() if path.suffix in _SOUNDS)
    for outcome in manager.bulk.upload(
        [BulkItem(each, covers.get(each.stem)) for each in tracks], analyse=True
    ):
        if outcome.error is not None:
            raise outcome.error


if __name__ == "__main__":
    sys.exit(main())
