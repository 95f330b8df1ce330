"""Can this commit be released? ``make release-check`` (RELEASING.md).

Builds the distributions into dist/, builds them again from the sdist alone, looks at what is in
them, and uses the wheel in an environment of its own, as somebody who has installed it would.
"""

import filecmp
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from packaging.metadata import Metadata
from trove_classifiers import classifiers

from audiostore import __version__
from tests.licences_table import required

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "dist"
TRACK: Final = ROOT / "examples" / "morning-in-c.mp3"
COVER: Final = ROOT / "examples" / "morning-in-c.jpg"


class Built(NamedTuple):
    """What is released."""

    sdist: Path
    wheel: Path


def build(source: Path, folder: Path) -> Built:
    """Build both distributions of a source tree into a folder, without a network."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(hatchling, cwd=source, check=True, stderr=subprocess.DEVNULL)
    name = f"audiostore-{__version__}"
    return Built(folder / f"{name}.tar.gz", folder / f"{name}-py3-none-any.whl")


def rebuild(sdist: Path, folder: Path) -> Built:
    """Build both distributions of what an sdist holds."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    (source / "PKG-INFO").unlink()  # made anew: what is there already comes in another place
    return build(source, folder)


def problems_of_changelog(text: str, version: str) -> Iterator[str]:
    """Yield why a changelog does not fit a release of this version."""
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if not heads or not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heads[0]):
        yield (
            f"CHANGELOG.md begins with {heads[0]!r}" if heads else "CHANGELOG.md has no section"
        ) + f": name it '{version} (YYYY-MM-DD)'"


def problems_of_wheel(wheel: Path) -> Iterator[str]:
    """Yield what is wrong with what a wheel holds and says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(info))  # raises if anything is not valid
    inside = f"audiostore-{__version__}.dist-info/"
    for name in names:
        if not name.startswith(("audiostore/", inside)) or "__pycache__" in name:
            yield f"the wheel has {name}"
    for name in ("audiostore/py.typed", f"{inside}licenses/LICENSE"):
        if name not in names:
            yield f"the wheel lacks {name}"
    if str(metadata.version) != __version__:
        yield f"the wheel has version {metadata.version}, not {__version__}"
    for each in metadata.classifiers or ():
        if each not in classifiers:
            yield f"there is no classifier {each!r}"
    for field in ("summary", "description", "license_expression", "requires_python", "author"):
        if not getattr(metadata, field):
            yield f"the metadata has no {field}"


def problems_of_sdist(sdist: Path) -> Iterator[str]:
    """Yield what is in an sdist, but not in the repository, and the other way round."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    with tarfile.open(sdist) as archive:
        inside = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    for name in sorted(inside - tracked - {"PKG-INFO"}):
        yield f"the sdist has {name}, which is not in the repository"
    for name in sorted(tracked - inside):
        yield f"the sdist lacks {name}"


def use(command: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Store a track by an installed command, and fetch it back.

    Raises:
        subprocess.CalledProcessError: it fails.
        ValueError: it gives something else than was stored.
    """
    settings = {
        **environment,
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "GCS_BUCKET_NAME": (folder / "store").as_uri(),
    }

    def run(*arguments: str) -> str:
        line = [str(command), *arguments]
        return subprocess.run(
            line, cwd=folder, env=settings, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    if run("--version") != f"audiostore {__version__}\n":
        raise ValueError(f"{command} is not audiostore {__version__}")
    audio_id = run("put", str(TRACK), "--thumbnail", str(COVER)).split()[0]
    run("check")
    run("get", audio_id, "-o", "copy.mp3")
    if not filecmp.cmp(TRACK, folder / "copy.mp3", shallow=False):
        raise ValueError("what was fetched is not what was stored")


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel, and what it needs without extras, as pinned; return the command."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pins = re.findall(
        r"^([a-z0-9-]+)(==.*\\\n(?:    --hash=.*\n)+)",
        (ROOT / "constraints.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    needed = required()
    wanted = folder / "requirements.txt"
    wanted.write_text("".join(name + rest for name, rest in pins if name in needed))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    pip.append("--disable-pip-version-check")
    subprocess.run([*pip, "--require-hashes", "--requirement", str(wanted)], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    subprocess.run([*pip[:3], "check"], check=True, stdout=subprocess.DEVNULL)
    return folder / "bin" / "audiostore"


def problems() -> Iterator[str]:
    """Yield what stands in the way of a release, and build it meanwhile."""
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    if changed:
        yield "not everything is committed"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    yield from problems_of_changelog(changelog, __version__)
    shutil.rmtree(DIST, ignore_errors=True)
    built = build(ROOT, DIST)
    yield from problems_of_wheel(built.wheel)
    yield from problems_of_sdist(built.sdist)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for first, second in zip(built, rebuild(built.sdist, folder), strict=True):
            if first.read_bytes() != second.read_bytes():
                yield f"{first.name} is another if it is built from the sdist"
        print("Installing the wheel into an environment of its own ...", flush=True)
        use(install(built.wheel, folder / "installed"), folder, {})


def main() -> int:
    """Print what stands in the way of a release; return 0 if nothing does."""
    found = list(problems())
    for each in found:
        print(f"- {each}")
    if found:
        print(f"audiostore {__version__} cannot be released")
        return 1
    print(f"audiostore {__version__} can be released: dist/ holds it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
