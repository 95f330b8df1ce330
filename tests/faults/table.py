"""The table of faults: the fault, the promised outcome, and the cases that test it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults import kinds


@dataclass(frozen=True)
class Row:
    """One fault and its promised outcome."""

    label: str
    fault: str
    outcome: str


ROWS = tuple(
    Row(*texts)
    for texts in (
        ("1", "503 three times", "success with one generation"),
        ("2", "503 forever", "bounded error, local files kept"),
        ("3", "429 with Retry-After", "waits at least that long, then success"),
        ("4", "408, 500, 502, 504", "retried, one generation"),
        ("5", "connection reset before the body", "success, one generation"),
        ("6", "connection reset in the middle of the body", "success, one generation"),
        ("7", "response lost after storing the thumbnail", "success, one generation"),
        (
            "8",
            "response lost after storing the audio",
            "success, one generation, `created` is correct",
        ),
        ("9", "response lost after the last chunk of a session", "success, one generation"),
        ("10", "stall before storing", "timeout, then success, one generation"),
        ("11", "stall after storing", "timeout, then success, one generation"),
        ("12", "response cut short", "success, one generation"),
        ("13", "a byte flipped in transit, the server validates", "retried, or integrity error"),
        (
            "14",
            "a byte flipped in transit, the server does not validate",
            "integrity error, the bad object removed by its own generation, local files kept",
        ),
        ("15", "308 that accepts part of a chunk, or nothing", "continues from the accepted byte"),
        ("16", "session returns 404 or 410", "a new session, success"),
        ("17", "401 with a refreshable token, also in the middle of a session", "success"),
        ("18", "the token cannot be refreshed", "clear error, files kept, attempts not multiplied"),
        ("19", "403", "exactly one attempt, the error says what to do"),
        ("20", "the bucket does not exist", "exactly one attempt, the error says what to do"),
        (
            "21",
            "local file truncated while it uploads",
            "error and nothing committed, or a verified success; the changed file is kept",
        ),
        (
            "22",
            "local file modified while it uploads",
            "error and nothing committed, or a verified success; the changed file is kept",
        ),
        (
            "23",
            "local file deleted while it uploads",
            "error and nothing committed, or a verified success",
        ),
        (
            "swaps",
            "a neighbour replaces, rewrites or edits a local file, or flips a link, at every step "
            "of an upload",
            "the file is kept or stored exactly, and what is stored has its own facts",
        ),
        (
            "forged",
            "another local file has the size and crc32c of what is stored",
            "cleanup compares md5 or all bytes; the file is kept, with a warning",
        ),
        ("24", "the name is taken by another object", "conflict, the object is untouched"),
        (
            "25",
            "SIGKILL at every request and every file operation, then the same call again",
            "nothing half visible; then two objects, one generation each, local files gone only "
            "if stored",
        ),
        ("26", "unlinking a local file is refused", "success with a warning, the file kept"),
        ("27", "two writers, one id", "one wins, never a mix"),
        (
            "fleet",
            "workers of a fleet run killed at every request, again and again, or at work on the "
            "same chunk at once; two planners at once, or one killed half-way; every process of a "
            "Dask cluster, and the command that uses it, killed",
            "one plan; every item stored once, under its planned id; each object of the run and of "
            "its assets written once",
        ),
        (
            "new ids",
            "an id said or found to be new, under which another writer, an earlier attempt or a "
            "deleted asset has stored something; any response lost, killed at every request and "
            "every file operation",
            "the same content is completed or returned, other content is a conflict; never a mix; "
            "local files gone only if a reader sees them stored",
        ),
        ("28", "the same upload again after it succeeded", "nothing uploaded"),
        (
            "29",
            "a 2 GiB upload",
            "memory bounded by the chunk, progress never goes back without a `Retried`",
        ),
        (
            "30",
            "delete: response lost, killed between objects",
            "success; a second run finishes; a thumbnail is never served without its audio",
        ),
        (
            "31",
            "download corrupted, cut short, reset, object replaced half-way, Range ignored",
            "resumed at the pinned generation, or an error and no file at the destination",
        ),
        (
            "32",
            "directory store: kill at every step, disk full at every step, read-only",
            "no half object, clear error",
        ),
        (
            "power",
            "directory store: the power fails at any step, and what was not synced is lost or torn",
            "an object is there whole or not at all; what was reported as stored, deleted, "
            "restored or replaced stays so; local files gone only if stored",
        ),
        (
            "managing",
            "delete, restore, purge, hold, release, expire, annotate, set-class, artwork, "
            "supersede, copy, lifecycle, repair: killed or disturbed at every step, or run "
            "together with another of them",
            "running it again finishes it; an asset is visible whole or not at all; a hold "
            "protects; nothing live is touched; no false alarm",
        ),
        (
            "service",
            "a server process, killed at every request to a bucket, or at file operations on a "
            "directory, while it stores a body or a form, deletes, restores or replaces artwork; "
            "started again, and asked the same again",
            "nothing half visible; searches find what is there; then done once, under the id that "
            "the client has chosen",
        ),
        (
            "steps",
            "a server process, killed likewise while it takes the bytes of an upload in steps or "
            "completes it; started again, and the upload continued",
            "nothing visible before it is complete; what arrived is kept; then one asset, and "
            "nothing left in `incoming/`",
        ),
        (
            "parts",
            "derived and attached parts stored, replaced, removed, uploaded, copied, deleted and "
            "restored: killed or disturbed at every step, or met by another writer, a deletion, a "
            "restoration, or other audio under the same id",
            "a part of other audio is never believed; running it again finishes it; one valid "
            "object of each part; a check removes what was left, but never a transcript",
        ),
        (
            "bulk",
            "2,000 files: SIGKILL 50 times at random moments, over a connection that "
            "returns 503 and 429, resets, and loses responses",
            "each file stored exactly once, whole; deleted only if stored; the journal agrees",
        ),
        ("random", "puts, attaches, deletes, faults and kills in any order", "the promise holds"),
        (
            "controls",
            "a broken protocol: audio first, no comparison, unlink before verification",
            "this suite detects it",
        ),
        (
            "resume",
            "the process dies during a large upload",
            "continues from the server's last byte",
        ),
        ("throttle", "429 or 503 during many uploads at once", "the whole process slows down"),
        (
            "outage",
            "the store is down for 12 s, for a minute, for good",
            "outlasted up to the deadline, which counts for all files together; a longer wait that "
            "the store asks for is reported at once",
        ),
        ("time-outs", "a slow link", "no retry while bytes move"),
        (
            "tls",
            "a certificate that is unknown, expired or for another host; no common version of "
            "TLS; a handshake that is cut off",
            "exactly one attempt, the error says what to do; what was cut off is retried",
        ),
        (
            "interrupts",
            "Ctrl-C, SIGTERM",
            "exits within a second, state as promised, exit code 130 or 143",
        ),
        (
            "hostile files",
            "a file that asks for gigabytes or minutes, or kills what decodes it",
            "refused with that reason, whatever the other files of the run; ends with the command",
        ),
        ("fork", "a manager used before and after fork", "works, or the error says what to do"),
        ("threads", "64 threads on one manager", "all succeed, no thread keeps the program alive"),
        (
            "customer keys",
            "objects under a customer's key that is disabled, denied, or comes with each request",
            "one finding and one warning each; nothing else of the store is affected; nothing is "
            "deleted, overwritten or copied that cannot be verified",
        ),
        (
            "answers",
            "responses that are empty, compressed, a login page, nested without end, or of other "
            "types",
            "a look whether it is stored; success with one generation, or a clear error",
        ),
        (
            "hostile",
            "a store whose names, types, metadata and headers are meant to be obeyed",
            "no request of its choice is sent to another store; content types are our own",
        ),
        (
            "secrets",
            "tokens and session URIs, also where a server repeats them",
            "never in logs, errors, journals or repr",
        ),
        (
            "kinds",
            "every command on every kind of bucket",
            "does what the table of the kinds of bucket says",
        ),
        (
            "shards",
            "an export of tar files killed at each request, or wherever a file is written",
            "the same call again completes it, with the same bytes; each tar file appears whole",
        ),
        (
            "hierarchical",
            "deleting in a bucket with a hierarchical namespace: killed, disturbed, forbidden",
            "no empty folder stays; a flat bucket is asked once for its layout, by the first "
            "deletion",
        ),
        (
            "versioned",
            "delete, replace, move, supersede, copy, repair: in buckets with Object Versioning, "
            "with soft delete, with both and with neither",
            "what was deleted or replaced cannot be read any more, not even by a link; it can be "
            "restored where the bucket's soft delete keeps it",
        ),
    )
)

REAL_BUCKET_ONLY = (
    (
        "The server checks the crc32c that a JSON upload states, and refuses other bytes with 400",
        "13",
        "documented; the strict server implements it. Row 14 holds without it.",
    ),
    (
        "An object's bytes and its metadata appear in one step, with one generation",
        "7-9, 25",
        "documented; committing with the audio object relies on it.",
    ),
    (
        "Reading, listing and deleting are strongly consistent",
        "8, 25, 27, 30",
        "documented; the check for a second writer after the commit relies on it.",
    ),
    (
        "Of two generations of one name the later has the greater number; across names the order "
        "only decides between two writers that both withdrew, and which of two objects of one part "
        "counts if their writer was killed in between",
        "27",
        "not documented as an order in time.",
    ),
    (
        "ifGenerationMatch=0 is honoured at the end of a resumable session, not only at its start",
        "9, 25, 27",
        "documented for the request; the strict server checks at both ends.",
    ),
    (
        "A session keeps whole units of 256 KiB of a chunk whose connection broke",
        "6, 15, resume",
        "documented as possible; how much is kept varies. Any amount is handled.",
    ),
    (
        "A status query returns the object of a finished session, and 404 or 410 for an expired "
        "one",
        "9, 16",
        "documented.",
    ),
    (
        "A session's URI needs no token, but refuses a wrong one",
        "17",
        "observed by others, not fully documented.",
    ),
    ("Retry-After is sent with 429 and 503", "3", "not documented; honoured if it is sent."),
    (
        "An object's own resource shows the checksums under a Cloud KMS key, its listing none; the "
        "responses of patch, rewrite and restore may show them or not",
        "customer keys, kinds",
        "the listing is documented, the resource is seen by others; any response without them is "
        "completed by reading the object.",
    ),
    (
        "A power failure (not only SIGKILL) keeps what was synced",
        "power",
        "needs a real power cut; here, a model of a file system is (`tests/faults/power.py`).",
    ),
    (
        "A deletion that names a generation deletes it, live or noncurrent, and soft delete keeps "
        "it; a listing of versions marks the noncurrent ones with timeDeleted",
        "versioned",
        "documented.",
    ),
    (
        "Deleting a folder that is not empty fails with 409; soft-deleted objects do not count; "
        "restoring an object creates its folder again",
        "hierarchical",
        "that it fails is documented, the status is from others' tests, the rest is assumed.",
    ),
    (
        "A listing of soft-deleted objects, and the storage layout, need storage.objects.list "
        "alone; where soft delete is off, the former fails with 400",
        "kinds",
        "documented; the reason SoftDeletePolicyRequired for other calls only.",
    ),
    (
        "The reason of a refusal: `forbidden` for a hold, `required` without a project to bill",
        "kinds",
        "users' reports; the documentation says `objectUnderActiveHold` and `UserProjectMissing`: "
        "both are understood.",
    ),
    (
        "Autoclass accepts a rewrite to another class and ignores the class",
        "kinds",
        "documented; without storage.buckets.get one rewrite relies on it.",
    ),
    (
        "TLS, the load balancers, HTTP/1.1 keep-alive of the real endpoint",
        "5, 6, 10-12",
        "the proxy here uses plain TCP on the loopback interface.",
    ),
)


@dataclass
class Result:
    """The results of a run of the suite for one row."""

    row: Row
    passed: list[str] = field(default_factory=list)
    known_bugs: list[tuple[str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    points: int = 0

    @property
    def cases(self) -> int:
        """The number of cases run; each point of a matrix counts."""
        return self.points + len(self.passed) + len(self.known_bugs) + len(self.failed)

    @property
    def verdict(self) -> str:
        """Whether the promise held."""
        if self.failed:
            return "FAILED"
        if self.known_bugs:
            return "known bug"
        return "pass" if self.passed else "NO CASE"


def printed(results: Iterable[Result]) -> str:
    """Return the table for a terminal."""
    lines = [("#", "fault", "outcome", "cases", "result")]
    lines += [(r.row.label, r.row.fault, r.row.outcome, str(r.cases), r.verdict) for r in results]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    widths[1], widths[2] = min(widths[1], 60), min(widths[2], 60)
    out = []
    for line in lines:
        cells = [_cut(text, width).ljust(width) for text, width in zip(line, widths, strict=True)]
        out.append("  ".join(cells).rstrip())
    out.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(out)


def document(results: Iterable[Result]) -> str:
    """Return docs/reliability.md: the same for every run with the same outcome."""
    found = list(results)
    lines = [
        "# Reliability",
        "",
        "<!-- Generated by `make faults` (python -m tests.faults) from its run: do not edit. -->",
        "",
        "The promise: when an upload returns, the asset is complete, verified and findable; before",
        "that nobody sees half of it; no local file is ever deleted that is not safely stored.",
        "Under any fault, and with a kill at any instant.",
        "",
        "Each case runs against our own strict server (`tests/gcs_server`), a faulty proxy",
        "(`tests/faults/proxy.py`) or a directory. What is visible is determined by a reader that",
        "shares no code with the library (`tests/faults/reader.py`). Nothing here ran against the",
        "real service: see the last section.",
        "",
        "The cases use the retries that the command line and `manager.bulk` use by default:",
        "`DEADLINE_CONFIG`, for two minutes since the last success. The clock of the retries is",
        "simulated, so that no case really waits. A call on one asset from a program makes three",
        "attempts within a few seconds (`CONSERVATIVE_CONFIG`), unless the program chooses",
        "otherwise: rows that need more retries then end in the error of row 2.",
        "",
        "## Results",
        "",
        "| # | fault | outcome | result |",
        "|---|---|---|---|",
    ]
    lines += [f"| {r.row.label} | {r.row.fault} | {r.row.outcome} | {r.verdict} |" for r in found]
    lines += [
        "",
        "## Kinds of bucket",
        "",
        "What every command does on each kind of bucket (✓: it works). Each cell is checked:",
        "`tests/faults/test_kinds.py` runs each command on each kind of the strict server.",
        "",
        *kinds.printed(),
    ]
    lines += ["", "## Cases for each promise", ""]
    for result in found:
        lines += [f"### {result.row.label}: {result.row.fault}", ""]
        lines += [f"Promised: {result.row.outcome}.", ""]
        lines += [f"- {text}" for text in _folded(result.passed)]
        lines += [f"- **failed**: {text}" for text in _folded(result.failed)]
        lines += [f"- **known bug**: `{c}`: {why}" for c, why in sorted(result.known_bugs)]
        lines += [f"- not run here: {text}" for text in _folded(result.skipped)]
        lines.append("")
    lines += [
        "## What only a real bucket can confirm",
        "",
        "`audiostore verify-bucket` tries much of it on yours ([how](verify-bucket.md)).",
        "",
        "| fact | rows that use it | status |",
        "|---|---|---|",
    ]
    lines += [f"| {fact} | {rows} | {how} |" for fact, rows, how in REAL_BUCKET_ONLY]
    return "\n".join(lines) + "\n"


def _folded(cases: Iterable[str]) -> list[str]:
    """Return one line per test, with the number of its variants."""
    counts: dict[str, int] = {}
    for case in cases:
        name = case.partition("[")[0]
        counts[name] = counts.get(name, 0) + 1
    return [
        f"`{name}`" + (f" ({n} variants)" if n > 1 else "") for name, n in sorted(counts.items())
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
