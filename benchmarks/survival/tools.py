"""The tools, and how each is asked to store a track and its cover and to remove the local files."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contest.lineup import GCLOUD, GOOGLE, OURS, RCLONE, rclone_path

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Task:
    """Store both files in the folder ``audio/{audio_id}/`` of the bucket; remove them."""

    endpoint: str
    bucket: str
    audio_id: str
    audio: Path
    cover: Path
    home: Path
    """A directory that the tool may keep its own files in."""

    @property
    def folder(self) -> str:
        """The folder of the asset in the bucket."""
        return f"audio/{self.audio_id}"

    def name(self, path: Path) -> str:
        """Return the name of the object of a file."""
        return f"{self.folder}/{path.name}"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool and its command."""

    name: str
    shown: str
    """The command as people type it."""
    command: Callable[[Task], Sequence[str]]


def tools() -> list[Tool]:
    """Return the tools that are installed, audiostore first."""
    found = [
        Tool(OURS, "audiostore put audio.mp3 --thumbnail thumbnail.jpg --id … --cleanup", _ours),
        Tool(GOOGLE, "benchmarks/peers/script.py", _script),
    ]
    if Path(rclone_path()).exists():
        found.append(Tool(RCLONE, "rclone move --immutable", _rclone))
    if shutil.which("gcloud"):
        found.append(Tool(GCLOUD, "gcloud storage mv --no-clobber", _gcloud))
    return found


def environment(task: Task) -> Mapping[str, str]:
    """Return the environment of a tool: no proxies, no credentials, no telemetry."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": str(task.home),
        "PYTHONPATH": str(_ROOT),
        "STORAGE_EMULATOR_HOST": task.endpoint,
        "NO_GCE_CHECK": "true",
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        "CLOUDSDK_CONFIG": str(task.home / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": "bench",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        # Its multipart bodies end their lines with LF alone, which the strict server refuses.
        "CLOUDSDK_STORAGE_RESUMABLE_THRESHOLD": "1",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{task.endpoint}/storage/v1/",
    }


def _ours(task: Task) -> Sequence[str]:
    return [
        *(sys.executable, "-m", "audiostore", "put", str(task.audio)),
        *("--thumbnail", str(task.cover), "--id", task.audio_id, "--cleanup"),
        *("--bucket", task.bucket),
    ]


def _script(task: Task) -> Sequence[str]:
    return [
        *(sys.executable, "-m", "benchmarks.peers.script", task.endpoint, task.bucket),
        *(task.audio_id, str(task.audio), str(task.cover)),
    ]


def _rclone(task: Task) -> Sequence[str]:
    return [
        *(rclone_path(), "move", str(task.audio.parent), f":gcs:{task.bucket}/{task.folder}"),
        *("--immutable", "--config", "/dev/null", "--gcs-anonymous", "--gcs-no-check-bucket"),
        *("--gcs-endpoint", f"{task.endpoint}/storage/v1/", "--gcs-bucket-policy-only"),
    ]


def _gcloud(task: Task) -> Sequence[str]:
    files = [str(path) for path in (task.cover, task.audio) if path.exists()]
    return [
        *("gcloud", "storage", "mv", "--no-clobber", *files),
        f"gs://{task.bucket}/{task.folder}/",
    ]
