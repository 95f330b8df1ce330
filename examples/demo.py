"""Store all examples, list them, fetch them back and compare: run by `make demo`.

It uses only the command line, as a new user would. If GCS_BUCKET_NAME is set, it stores there, else
in the directory `demo` at the root of the repository. The ids are derived from the file names, so a
second run finds everything already stored and stores nothing twice.
"""

import filecmp
import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

EXAMPLES = Path(__file__).parent
STORE = EXAMPLES.parent / "demo"
AUDIO = {".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac", ".opus"}
IMAGES = (".jpg", ".png", ".webp")


def audiostore(*arguments: str) -> str:
    """Run an audiostore command and return its standard output."""
    print(f"$ audiostore {shlex.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "audiostore", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def cover_of(track: Path) -> Path | None:
    """Return the image next to a track with the same name."""
    return next((p for s in IMAGES if (p := track.with_suffix(s)).exists()), None)


def main() -> int:
    """Run the demo; return 0 if every file came back unchanged."""
    bucket = os.environ.setdefault("GCS_BUCKET_NAME", STORE.joinpath("store").as_uri())
    print(f"$ export GCS_BUCKET_NAME={bucket}\n")
    audio_ids: list[str] = []
    originals: list[Path] = []
    for track in sorted(p for p in EXAMPLES.iterdir() if p.suffix in AUDIO):
        audio_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"audiostore/examples/{track.name}"))
        cover = cover_of(track)
        thumbnail = ("--thumbnail", os.path.relpath(cover)) if cover else ()
        print(audiostore("put", os.path.relpath(track), *thumbnail, "--id", audio_id, "--analyse"))
        audio_ids.append(audio_id)
        originals += [track, cover] if cover else [track]

    print(audiostore("list"))

    fetched = STORE / "fetched"
    shutil.rmtree(fetched, ignore_errors=True)
    some = [audio_id[:8] for audio_id in audio_ids]  # as much as tells them apart
    audiostore("get", *some, "--to", os.path.relpath(fetched))
    different = 0
    for original in originals:
        copy = fetched / original.name
        same = copy.exists() and filecmp.cmp(original, copy, shallow=False)
        different += not same
        print(f"{'identical' if same else 'DIFFERENT'}  {os.path.relpath(copy)}")
    print(f"\n{len(audio_ids)} tracks stored, fetched and compared: {different} files differ")
    print("See and hear them in a browser: make serve")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
