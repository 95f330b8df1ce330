"""verify-bucket: each check passes where its promise is kept, and fails where it is broken."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import google.oauth2.service_account
import pytest

from audiostore import ConfigurationError
from audiostore.verify import CHECKS, Check, Verification
from tests.faults.kinds import KMS_KEY
from tests.gcs_server import AS_NEW, Request, StrictServer, faults
from tests.gcs_server.objects import Preconditions
from tests.gcs_server.routing import Route

BUCKET = "some-bucket"
ROBOT = "robot@project.iam.gserviceaccount.com"
FULL: Mapping[str, Any] = {
    **AS_NEW,
    "versioning": {"enabled": True},
    "encryption": {"defaultKmsKeyName": KMS_KEY},
    "cors": [{"origin": ["https://app.example"], "method": ["GET"], "maxAgeSeconds": 60}],
    "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 4000}}]},
}
"""A bucket on which every check can show its promise."""
PLAIN = {name: value for name, value in FULL.items() if name not in ("versioning", "encryption")}
BY_NAME = {check.name: check for check in CHECKS}
CLASS_A = ("folder_list", "upload", "session_start", "list", "patch", "rewrite", "restore")
CLASS_B = ("stat", "download", "xml", "bucket_get", "permissions", "layout", "preflight")
FREE = ("session_chunk", "session_status", "session_cancel", "delete", "token", "sign_blob")

Credentials = google.oauth2.service_account.Credentials
Break = Callable[[StrictServer, pytest.MonkeyPatch], object]


@pytest.fixture(scope="module")
def key() -> str:
    with StrictServer(BUCKET) as server:
        return server.service_account(ROBOT).private_key_pem


@contextmanager
def verifying(
    settings: Mapping[str, Any], key: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[StrictServer, Verification]]:
    with StrictServer(BUCKET, bucket_settings=settings) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        server.put(BUCKET, "audio/theirs.mp3", b"not ours")
        account = server.service_account(ROBOT, key)
        credentials: Credentials = Credentials.from_service_account_info(
            account.key_file(f"{server.url}/token")
        )
        url = f"gs://{BUCKET}/a prefix"
        with closing(Verification(url, credentials=credentials, sleep=lambda _: None)) as made:
            yield server, made


@pytest.fixture
def place(key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[StrictServer, Verification]]:
    with verifying(FULL, key, monkeypatch) as place:
        yield place


@pytest.fixture
def server(place: tuple[StrictServer, Verification]) -> StrictServer:
    return place[0]


@pytest.fixture
def verification(place: tuple[StrictServer, Verification]) -> Verification:
    return place[1]


def left(server: StrictServer) -> list[str]:
    state = server.state.bucket(BUCKET)
    return sorted([*state.objects, *state.noncurrent])


@pytest.mark.slow
def test_all_pass_on_a_bucket_that_has_everything(
    server: StrictServer, verification: Verification
) -> None:
    rows = [*verification.rows(), verification.clean()]
    operations = Counter(request.operation for request in server.requests)
    assert {row.check: row.detail for row in rows if row.outcome != "passed"} == {}
    assert [row.check for row in rows] == [*BY_NAME, "cleaned-up"]
    assert left(server) == ["audio/theirs.mp3"]
    assert all(session.result or session.failure for session in server.sessions())
    cost = verification.cost
    assert sum(operations[name] for name in CLASS_A) <= cost.class_a
    assert sum(operations[name] for name in CLASS_B) <= cost.class_b
    assert sum(request.body_bytes for request in server.requests) <= cost.sent_bytes


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_sends_at_most_what_it_says(
    key: str, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    counts = []
    for settings in (FULL, PLAIN):
        with verifying(settings, key, monkeypatch) as (server, verification):
            before = len(server.requests)
            verification.run(check)
            sent = server.requests[before:]
        operations = Counter(request.operation for request in sent)
        assert operations.keys() <= {*CLASS_A, *CLASS_B, *FREE}
        counts.append([sum(operations[name] for name in names) for names in (CLASS_A, CLASS_B)])
        assert sum(request.body_bytes for request in sent) <= check.sent_bytes
    assert tuple(map(max, zip(*counts, strict=True))) == (check.class_a, check.class_b)


# --- servers that break a promise -----------------------------------------------------------------


def ignoring_preconditions(*operations: str) -> Break:
    def install(_server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
        conditions = Route.conditions

        def ignored(route: Route, prefix: str = "if") -> Preconditions:
            return Preconditions() if route.operation in operations else conditions(route, prefix)

        monkeypatch.setattr(Route, "conditions", ignored)

    return install


def ignoring_generations(operation: str) -> Break:
    def install(_server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
        number = Route.number

        def ignored(route: Route, key: str) -> int | None:
            is_ignored = route.operation == operation and key == "generation"
            return None if is_ignored else number(route, key)

        monkeypatch.setattr(Route, "number", ignored)

    return install


def replaced(name: str, value: object) -> Break:
    return lambda _server, monkeypatch: monkeypatch.setattr(f"tests.gcs_server.{name}", value)


def faulty(when: Callable[[faults.Head], bool], fault: faults.Fault, after: int = 0) -> Break:
    return lambda server, _monkeypatch: server.fault(when, fault, times=None, after=after)


def answering(when: Callable[[faults.Head], bool], change: Callable[[Any], object]) -> Break:
    """Change the JSON of successful responses in place."""

    def mangled(
        status: int, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if status != 200:
            return status, headers, body
        value = json.loads(body)
        change(value)
        return status, headers, json.dumps(value).encode()

    return faulty(when, faults.mangle(mangled))


def without_header(when: Callable[[faults.Head], bool], name: str) -> Break:
    return faulty(
        when,
        faults.mangle(
            lambda s, headers, b: (s, {k: v for k, v in headers.items() if k != name}, b)
        ),
    )


def accept_any_checksum(server: StrictServer, _monkeypatch: pytest.MonkeyPatch) -> None:
    server.state.validate_checksums = False


def allow_all_origins(status: int, headers: dict[str, str], body: bytes) -> Any:
    return status, {**headers, "Access-Control-Allow-Origin": "*"}, body


deleted_listing = faults.listing & (lambda head: head.query.get("softDeleted") == "true")
versions_listing = faults.listing & (lambda head: head.query.get("versions") == "true")
delimited = faults.listing & (lambda head: "delimiter" in head.query)
offset = faults.listing & (lambda head: "startOffset" in head.query)
paged = faults.listing & (lambda head: "maxResults" in head.query)
preflight = faults.operation("preflight")
bucket_get = faults.operation("bucket_get")

BROKEN: list[tuple[str, str, Break]] = [
    ("create-once", "a second write .* was accepted", ignoring_preconditions("upload")),
    (
        "replace-once",
        "over a generation that was replaced was acc",
        ignoring_preconditions("upload"),
    ),
    ("change-once", "metageneration of before was accepted", ignoring_preconditions("patch")),
    ("delete-the-one-seen", "the object is gone", ignoring_generations("delete")),
    ("damaged-bytes", "a wrong crc32c was accepted", accept_any_checksum),
    (
        "damaged-bytes",
        "does not recognise why: .*bad bytes",
        faulty(
            faults.simple_upload, faults.respond(400, None, {"error": {"message": "bad bytes"}})
        ),
    ),
    ("damaged-session", "was answered with HTTP 200", accept_any_checksum),
    (
        "upload-in-pieces",
        "the session says Range: ''",
        without_header(faults.session_chunk | faults.status_query, "Range"),
    ),
    (
        "upload-in-pieces",
        "whether it is complete was answered with HTTP 308",
        faulty(faults.status_query, faults.respond(308), after=1),
    ),
    (
        "two-sessions",
        "the second upload replaced the first",
        ignoring_preconditions("session_start"),
    ),
    (
        "cancelled-upload",
        "after a cancellation was answered with HTTP 200",
        faulty(faults.operation("session_cancel"), faults.respond(204)),
    ),
    ("continued-upload", "none was kept", faulty(faults.status_query, faults.expire())),
    ("one-generation", "has the bytes of the newer one", ignoring_generations("download")),
    (
        "one-generation",
        "bytes 0 to the end are others|the checksum",
        faulty(faults.download, faults.flip_response(3)),
    ),
    (
        "names-and-metadata",
        "put, stat and list describe it differently",
        answering(faults.listing, lambda page: page["items"][0]["metadata"].pop("empty")),
    ),
    (
        "names-and-metadata",
        "its content_disposition became 'inline'",
        answering(
            faults.any_upload | faults.stat | faults.listing,
            lambda value: [
                each.update(contentDisposition="inline") for each in value.get("items", [value])
            ],
        ),
    ),
    (
        "listed-at-once",
        "right after a write does not show",
        faulty(faults.listing, faults.replace_body(b"{}")),
    ),
    ("listed-in-order", "pages of all names: ", answering(paged, lambda p: p["items"].reverse())),
    (
        "listed-in-order",
        "from startOffset to endOffset: ",
        answering(offset, lambda page: page["items"].pop()),
    ),
    ("listed-in-order", "folders: ", answering(delimited, lambda page: page.pop("prefixes"))),
    (
        "listed-under-a-key",
        "without its checksum",
        answering(faults.stat, lambda value: value.pop("crc32c")),
    ),
    ("copied-object", "a copy onto an object was accepted", ignoring_preconditions("rewrite")),
    (
        "copied-object",
        "the copy has another metadata",
        answering(faults.rewrite, lambda value: value["resource"].pop("metadata")),
    ),
    (
        "copied-in-steps",
        "is not done after 20 calls",
        faulty(faults.rewrite, faults.respond(200, None, {"done": False, "rewriteToken": "t"})),
    ),
    (
        "held-object",
        "deletion of a held object was accepted",
        replaced("state.check_free", lambda *_, **__: None),
    ),
    (
        "custom-time",
        "was changed to 2030-01-01",
        replaced("state._custom_time", lambda _, new: {"customTime": new}),
    ),
    (
        "deleted-and-restored",
        "not among those that can be restored",
        faulty(deleted_listing, faults.replace_body(b"{}")),
    ),
    (
        "deleted-and-restored",
        "other bytes or metadata",
        answering(faults.restore, lambda value: value.pop("metadata")),
    ),
    ("old-versions", "became a noncurrent version", ignoring_generations("delete")),
    (
        "old-versions",
        "is not the one noncurrent version",
        faulty(versions_listing, faults.replace_body(b"{}")),
    ),
    (
        "lifecycle-rules",
        "read in two ways",
        answering(bucket_get, lambda bucket: bucket["lifecycle"]["rule"].clear()),
    ),
    (
        "signed-link",
        "damaged signature was answered with HTTP 200",
        replaced("xml_api.verify", lambda *_: ROBOT),
    ),
    (
        "signed-link",
        "it is to be saved under ''",
        without_header(faults.signed_read, "Content-Disposition"),
    ),
    (
        "cross-origin",
        "a configured origin got .*: None",
        without_header(preflight, "Access-Control-Allow-Origin"),
    ),
    (
        "cross-origin",
        "that is not configured may GET",
        faulty(preflight, faults.mangle(allow_all_origins)),
    ),
    ("whole-life", "checksum|crc32c", faulty(faults.download, faults.flip_response(3))),
    (
        "whole-life",
        "is not listed when its upload has returned",
        faulty(
            faults.listing & (lambda head: head.query.get("prefix", "").endswith("/audio/")),
            faults.replace_body(b"{}"),
        ),
    ),
]


def test_every_check_has_a_server_that_breaks_it() -> None:
    assert {name for name, _, _ in BROKEN} == set(BY_NAME)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "detail", "breaks"), BROKEN)
def test_a_check_fails_on_a_server_that_breaks_its_promise(
    key: str, monkeypatch: pytest.MonkeyPatch, name: str, detail: str, breaks: Break
) -> None:
    # Under a key, what responses say is read again: few lies would be noticed as what they are.
    settings = FULL if name in ("listed-under-a-key", "old-versions") else PLAIN
    with verifying(settings, key, monkeypatch) as (server, verification):
        breaks(server, monkeypatch)
        row = verification.run(BY_NAME[name])
    assert (row.outcome, row.promise) == ("failed", BY_NAME[name].promise)
    assert re.search(detail, row.detail), row.detail


# --- what a bucket cannot show, or must not be asked ----------------------------------------------


def test_what_a_bucket_cannot_show_is_skipped_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StrictServer(BUCKET) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with closing(Verification(BUCKET, sleep=lambda _: None)) as verification:
            rows = list(verification.rows())
            cleaned = verification.clean()
    assert {row.outcome for row in rows} == {"passed", "skipped"}
    skipped = {row.check: row.detail for row in rows if row.outcome == "skipped"}
    assert skipped.pop("signed-link").startswith("these credentials cannot sign URLs")
    assert skipped == {
        "listed-under-a-key": "the bucket has no default Cloud KMS key",
        "deleted-and-restored": "the bucket's soft delete is off",
        "old-versions": "Object Versioning is off",
        "lifecycle-rules": "the bucket has no lifecycle rules",
        "cross-origin": "no CORS is configured, or for origins with wildcards alone",
    }
    assert (cleaned.outcome, "soft delete" in cleaned.detail) == ("passed", False)


def test_an_account_that_may_not_read_settings_verifies_the_rest(
    server: StrictServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.denied.add("storage.buckets.get")
    with closing(Verification(BUCKET, sleep=lambda _: None)) as verification:
        assert verification.facts.settings is None
        names = ("old-versions", "lifecycle-rules", "cross-origin", "create-once")
        rows = [verification.run(BY_NAME[name]) for name in names]
        assert verification.clean().outcome == "passed"
    assert [row.outcome for row in rows] == ["skipped", "skipped", "skipped", "passed"]
    assert all("the account may not" in row.detail for row in rows[:3])


def test_autoclass_cannot_show_a_copy_to_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    with StrictServer(BUCKET, bucket_settings={"autoclass": {"enabled": True}}) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with closing(Verification(BUCKET)) as verification:
            row = verification.run(BY_NAME["copied-in-steps"])
    assert (row.outcome, "Autoclass" in row.detail) == ("skipped", True)


@pytest.mark.parametrize(
    ("settings", "denied", "reason"),
    [
        ({"retentionPolicy": {"retentionPeriod": "3600"}}, (), "for 3600 seconds (retention)"),
        ({"defaultEventBasedHold": True}, (), "under an event-based hold"),
        ({}, ("storage.objects.delete",), "the account lacks storage.objects.delete"),
    ],
)
def test_nothing_is_written_where_it_would_stay(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], denied: tuple[str, ...], reason: str
) -> None:
    with StrictServer(BUCKET, bucket_settings=settings, denied=denied) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with pytest.raises(ConfigurationError, match=re.escape(reason)):
            Verification(BUCKET)
        assert {request.operation for request in server.requests} <= {"bucket_get", "permissions"}


# --- outages, and the end -------------------------------------------------------------------------


def test_an_outage_is_not_a_broken_promise(
    server: StrictServer, verification: Verification
) -> None:
    server.fault(faults.stat, faults.respond(503))
    server.fault(faults.simple_upload, faults.lose_response())
    assert verification.run(BY_NAME["create-once"]).outcome == "passed"
    assert verification.clean().outcome == "passed"
    assert left(server) == ["audio/theirs.mp3"]


def test_an_error_of_the_server_is_not_a_broken_promise_either(
    server: StrictServer, verification: Verification
) -> None:
    server.fault(faults.session_chunk, faults.respond(503))
    assert verification.run(BY_NAME["damaged-session"]).outcome == "passed"
    assert any("damaged-session-2/" in request.name for request in server.requests)
    server.fault(faults.session_chunk, faults.respond(503), times=None)
    row = verification.run(BY_NAME["damaged-session"])
    assert (row.outcome, row.detail[:8]) == ("failed", "HTTP 503")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["custom-time", "held-object", "two-sessions"])
def test_a_bucket_that_asks_for_fewer_requests_is_given_time(
    server: StrictServer, verification: Verification, name: str
) -> None:
    for operation in (faults.patch, faults.simple_upload, faults.session_chunk):
        server.fault(operation, faults.respond(429), times=4)
    assert verification.run(BY_NAME[name]).outcome == "passed"
    assert not any(f"{name}-2/" in request.name for request in server.requests)


def test_it_cleans_up_what_a_late_write_stores(
    server: StrictServer, verification: Verification
) -> None:
    verification.run(BY_NAME["create-once"])
    (name,) = (each.name for each in server.objects(BUCKET) if "create-once" in each.name)

    def put_late(request: Request) -> None:
        if request.operation == "delete":
            server.on_request = None
            server.put(BUCKET, f"{name}-late", b"late")

    server.on_request = put_late
    assert verification.clean().detail.startswith("2 objects were deleted by generation")
    assert left(server) == ["audio/theirs.mp3"]


@pytest.mark.slow
def test_a_hierarchical_bucket_keeps_no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**AS_NEW, "hierarchicalNamespace": {"enabled": True}}
    with StrictServer(BUCKET, bucket_settings=settings) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with closing(Verification(BUCKET, sleep=lambda _: None)) as verification:
            rows = [*verification.rows(), verification.clean()]
        assert [row for row in rows if row.outcome == "failed"] == []
        assert server.folders(BUCKET) == []


def test_it_cleans_up_what_a_check_left_when_it_ended_anywhere(
    server: StrictServer, verification: Verification
) -> None:
    # A held object, a session, live and noncurrent versions, an asset without an end.
    for when in (faults.delete, faults.session_chunk & faults.named("cancelled"), faults.restore):
        server.fault(when, faults.respond(400), times=None)
    for name in ("held-object", "cancelled-upload", "replace-once", "whole-life"):
        verification.run(BY_NAME[name])
    server.clear_faults()
    assert len(left(server)) > 4
    assert any(each.fields.get("temporaryHold") for each in server.objects(BUCKET))
    assert verification.clean().outcome == "passed"
    assert left(server) == ["audio/theirs.mp3"]
    assert all(session.result or session.failure for session in server.sessions())


def test_it_says_what_it_could_not_delete(server: StrictServer, verification: Verification) -> None:
    verification.run(BY_NAME["create-once"])
    verification.run(BY_NAME["replace-once"])
    server.fault(faults.delete & faults.named("create-once"), faults.respond(403), times=None)
    row = verification.clean()
    assert row.outcome == "failed"
    assert re.match(
        r"2 objects were deleted, 1 stay, the first one create-once/object "
        r"\(generation \d+\): ",
        row.detail,
    )


def test_rows_name_neither_the_bucket_nor_the_account(
    server: StrictServer, verification: Verification
) -> None:
    message = (
        f"{ROBOT} may not write gs://{BUCKET}/a prefix/audio: '{BUCKET}/x' of {BUCKET}, "
        f"projects/my-project, {KMS_KEY}"
    )
    refused = faults.respond(400, None, {"error": {"message": message}})
    server.fault(faults.simple_upload, refused, times=None)
    row = verification.run(BY_NAME["create-once"])
    assert (row.outcome, row.detail) == (
        "failed",
        "400 create-once/object: ACCOUNT may not write gs://BUCKET/PREFIX/audio: 'BUCKET/x' of "
        "BUCKET, projects/…, projects/…/locations/…/keyRings/…/cryptoKeys/…",
    )
