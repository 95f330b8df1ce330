"""The core, and the tests that are nearest to each of its modules."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNIT: Final = "tests/unit"
_CONFORMANCE: Final = "tests/conformance/test_stores.py"

NEAREST: Final[dict[str, tuple[str, ...]]] = {
    "asset/record.py": (
        f"{_UNIT}/test_record.py",
        f"{_UNIT}/test_manager.py",
        f"{_UNIT}/test_audit.py",
    ),
    "asset/commit.py": (
        f"{_UNIT}/test_manager.py",
        f"{_UNIT}/test_copying.py",
        "tests/faults/test_requests.py",
        "tests/faults/test_conflicts.py",
    ),
    "asset/attach.py": (
        f"{_UNIT}/test_manager.py",
        "tests/faults/test_managing_faults.py",
        "tests/faults/test_conflicts.py",
    ),
    "asset/changes.py": (
        f"{_UNIT}/test_changes.py",
        f"{_UNIT}/test_bulk_updating.py",
        "tests/faults/test_versioned_buckets.py",
        "tests/faults/test_managing_faults.py",
    ),
    "asset/trash.py": (
        f"{_UNIT}/test_trash.py",
        f"{_UNIT}/test_local_store_trash.py",
        f"{_UNIT}/test_gcs_trash.py",
        f"{_UNIT}/test_holds.py",
        "tests/faults/test_versioned_buckets.py",
        "tests/faults/test_managing_faults.py",
    ),
    "asset/drafts.py": (
        f"{_UNIT}/test_options.py",
        f"{_UNIT}/test_manager.py",
        f"{_UNIT}/test_copying.py",
        "tests/faults/test_requests.py",
        "tests/faults/test_conflicts.py",
    ),
    "ingest/uploads.py": (
        f"{_UNIT}/test_ingest.py",
        f"{_UNIT}/test_manager.py",
        f"{_UNIT}/test_bulk_updating.py",
        "tests/faults/test_forged.py",
        "tests/faults/test_sources.py",
        "tests/faults/test_resume.py",
    ),
    "ingest/cleanup.py": (
        f"{_UNIT}/test_cleanup.py",
        f"{_UNIT}/test_manager.py",
        "tests/faults/test_forged.py",
    ),
    "localfiles.py": (
        f"{_UNIT}/test_source.py",
        "tests/faults/test_kills.py",
        "tests/faults/test_sources.py",
        "tests/faults/test_forged.py",
        "tests/faults/test_swaps.py",
    ),
    "ingest/resume.py": (
        f"{_UNIT}/test_resumable_ids.py",
        f"{_UNIT}/test_manager.py",
        "tests/faults/test_resume.py",
    ),
    "asset/copy.py": (
        f"{_UNIT}/test_copying.py",
        f"{_UNIT}/test_hostile_stores.py",
        "tests/faults/test_versioned_buckets.py",
        "tests/faults/test_managing_faults.py",
    ),
    "asset/reading.py": (
        f"{_UNIT}/test_manager.py",
        f"{_UNIT}/test_bulk_downloading.py",
        "tests/faults/test_managing_faults.py",
    ),
    "asset/known.py": (f"{_UNIT}/test_hostile_stores.py", f"{_UNIT}/test_copying.py"),
    "stores/outages.py": (f"{_UNIT}/test_retrying_store.py", "tests/faults/test_requests.py"),
    "stores/gcs/described.py": (
        f"{_UNIT}/test_gcs_described.py",
        "tests/faults/test_customer_keys.py",
    ),
    "stores/local/folder.py": (
        _CONFORMANCE,
        f"{_UNIT}/test_local_store_hostile.py",
        "tests/faults/test_power.py",
    ),
    "stores/local/workspace.py": (
        f"{_UNIT}/test_local_store.py",
        f"{_UNIT}/test_local_store_hostile.py",
        f"{_UNIT}/test_local_store_trash.py",
        "tests/faults/test_power.py",
    ),
    "stores/transfer.py": (
        f"{_UNIT}/test_transfer.py",
        _CONFORMANCE,
        "tests/faults/test_bytes.py",
        "tests/faults/test_downloads.py",
        "tests/faults/test_forged.py",
    ),
    "stores/retrying.py": (
        f"{_UNIT}/test_retrying_store.py",
        _CONFORMANCE,
        "tests/faults/test_requests.py",
        "tests/faults/test_downloads.py",
    ),
    "retry.py": (f"{_UNIT}/test_retry.py", f"{_UNIT}/test_retrying_store.py"),
    "stores/gcs/upload.py": (
        f"{_UNIT}/test_gcs_answers.py",
        f"{_UNIT}/test_gcs_store.py",
        _CONFORMANCE,
        "tests/faults/test_sessions.py",
        "tests/faults/test_resume.py",
    ),
    "stores/gcs/sessions.py": (
        f"{_UNIT}/test_gcs_store.py",
        "tests/faults/test_sessions.py",
        "tests/faults/test_resume.py",
    ),
    "stores/local/store.py": (
        _CONFORMANCE,
        f"{_UNIT}/test_local_store.py",
        f"{_UNIT}/test_local_store_hostile.py",
        "tests/faults/test_directory.py",
        "tests/faults/test_power.py",
    ),
    "stores/local/lock.py": (
        _CONFORMANCE,
        f"{_UNIT}/test_local_store_hostile.py",
        "tests/faults/test_conflicts.py",
        "tests/faults/test_kills.py",
    ),
    "stores/local/objects.py": (
        _CONFORMANCE,
        f"{_UNIT}/test_local_store.py",
        f"{_UNIT}/test_local_store_hostile.py",
        "tests/faults/test_directory.py",
        "tests/faults/test_power.py",
    ),
    "stores/local/recovery.py": (
        f"{_UNIT}/test_local_store.py",
        f"{_UNIT}/test_local_store_hostile.py",
        "tests/faults/test_directory.py",
        "tests/faults/test_power.py",
    ),
    "stores/local/trash.py": (
        f"{_UNIT}/test_local_store_trash.py",
        _CONFORMANCE,
        "tests/faults/test_power.py",
        "tests/faults/test_trash_kills.py",
    ),
    "bulk/journal/journal.py": (f"{_UNIT}/test_bulk_journal.py", f"{_UNIT}/test_bulk_uploading.py"),
    "bulk/journal/run.py": (f"{_UNIT}/test_bulk_journal.py", f"{_UNIT}/test_bulk_uploading.py"),
    "bulk/journal/claims.py": (f"{_UNIT}/test_bulk_journal.py", f"{_UNIT}/test_bulk_uploading.py"),
    "bulk/journal/database.py": (
        f"{_UNIT}/test_bulk_journal.py",
        f"{_UNIT}/test_bulk_uploading.py",
    ),
    "bulk/executors/engine.py": (f"{_UNIT}/test_bulk_engine.py", f"{_UNIT}/test_bulk_uploading.py"),
    "bulk/executors/thread_pool.py": (
        f"{_UNIT}/test_bulk_engine.py",
        f"{_UNIT}/test_bulk_uploading.py",
    ),
    "bulk/journal/rows.py": (f"{_UNIT}/test_bulk_journal.py", f"{_UNIT}/test_bulk_updating.py"),
    "bulk/uploads.py": (f"{_UNIT}/test_bulk_uploading.py", f"{_UNIT}/test_bulk_planning.py"),
    "bulk/planning.py": (f"{_UNIT}/test_bulk_planning.py", f"{_UNIT}/test_bulk_uploading.py"),
    "bulk/decisions.py": (
        f"{_UNIT}/test_bulk_decisions.py",
        f"{_UNIT}/test_bulk_uploading.py",
        f"{_UNIT}/test_bulk_updating.py",
    ),
    "bulk/storeview.py": (
        f"{_UNIT}/test_bulk_decisions.py",
        f"{_UNIT}/test_bulk_uploading.py",
        f"{_UNIT}/test_bulk_updating.py",
    ),
    "bulk/performing.py": (
        f"{_UNIT}/test_bulk_uploading.py",
        f"{_UNIT}/test_bulk_updating.py",
        "tests/faults/test_forged.py",
        "tests/faults/test_updates.py",
    ),
    "bulk/newids.py": (f"{_UNIT}/test_new_ids.py", "tests/faults/test_new_ids.py"),
    "forking.py": ("tests/faults/test_fork.py",),
    "bulk/updating.py": (f"{_UNIT}/test_bulk_updating.py", "tests/faults/test_updates.py"),
}


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutation that changes nothing that is promised."""

    path: str
    before: str
    after: str
    why: str


_CONSERVATIVE: Final = (
    "RetryConfig( max_attempts=3, initial_delay=1.0, max_delay=16.0, exponential_base=2.0 )"
)
_DEADLINE: Final = (
    "RetryConfig( max_attempts=sys.maxsize, initial_delay=1.0, max_delay=8.0, "
    "exponential_base=2.0, deadline_s=120.0, )"
)
_SHORTER: Final = {
    "initial_delay=1.0, max_delay=16.0, exponential_base=2.0": _CONSERVATIVE,
    "max_attempts=3, max_delay=16.0, exponential_base=2.0": _CONSERVATIVE,
    "max_attempts=3, initial_delay=1.0, max_delay=16.0": _CONSERVATIVE,
    "max_attempts=sys.maxsize, max_delay=8.0, exponential_base=2.0, deadline_s=120.0": _DEADLINE,
    "max_attempts=sys.maxsize, initial_delay=1.0, max_delay=8.0, deadline_s=120.0": _DEADLINE,
}

EQUIVALENT: Final[tuple[Equivalent, ...]] = (
    *(
        Equivalent("retry.py", preset, f"RetryConfig({shorter})", "what is left out is the default")
        for shorter, preset in _SHORTER.items()
    ),
    Equivalent(
        "stores/transfer.py",
        "hashlib.new(algorithm, usedforsecurity=False)",
        "hashlib.new(algorithm)",
        "only OpenSSL in FIPS mode asks what MD5 is used for",
    ),
    Equivalent(
        "stores/local/workspace.py", "16", "17", "a temporary file needs a name that no other has"
    ),
)


def reason(path: Path, before: str, after: str) -> str | None:
    """Say why a mutation that survives is right as well; None if it is not listed."""
    shown = tuple(" ".join(text.split()) for text in (before, after))
    return next(
        (
            e.why
            for e in EQUIVALENT
            if path.as_posix().endswith(e.path) and (e.before, e.after) == shown
        ),
        None,
    )
