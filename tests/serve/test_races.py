"""If-Match holds at the instant of the write: what comes between it and the check is noticed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from threading import Lock
from typing import Any, Final

import pytest

from audiostore import GcsStore
from audiostore.testing import cover
from tests.assets import BUCKET, JPG, tone
from tests.gcs_server import Request, StrictServer
from tests.serve.conftest import Answer, Running, serving

SECRET = b"a secret of these tests"
Change = Callable[..., Answer]
FRESH: Final = count(2)
"""What makes each change another one: of two that are the same, both succeed."""


def patch(service: Running, path: str, **headers: str) -> Answer:
    return service("PATCH", path, {"custom": {"mood": str(next(FRESH))}}, **headers)


def delete(service: Running, path: str, **headers: str) -> Answer:
    return service("DELETE", path, **headers)


def replace_artwork(service: Running, path: str, **headers: str) -> Answer:
    picture = cover(2, next(FRESH))
    return service("PUT", f"{path}/thumbnail", picture, content_type="image/png", **headers)


def artwork_of_another_kind(service: Running, path: str, **headers: str) -> Answer:
    picture = JPG.read_bytes()
    return service("PUT", f"{path}/thumbnail", picture, content_type="image/jpeg", **headers)


CHANGES: Final = (patch, delete, replace_artwork, artwork_of_another_kind)
GONE: Final = (404, 412)
"""How a change of what was deleted is refused."""
VERBS: Final = {patch: "update_metadata", delete: "delete"}


def stored(service: Running) -> str:
    path = f"/v1/assets/{service.store(tone(title='Old'))}"
    assert service("PUT", f"{path}/thumbnail", cover(), content_type="image/png").status == 200
    return path


def seen(service: Running, path: str) -> Any:
    """What readers see of an asset; None if it is not there."""
    answer = service("GET", path)
    return answer.json if answer.status == 200 else None


def once(function: Callable[[], object]) -> Callable[[], None]:
    """Call a function the first time, and not for what that itself leads to."""
    left = [function]

    def call() -> None:
        if left:
            left.pop()()

    return call


@pytest.mark.parametrize("other", CHANGES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_check_and_write_is_noticed(
    service: Running, monkeypatch: pytest.MonkeyPatch, change: Change, other: Change
) -> None:
    path = stored(service)
    interrupt = once(lambda: states.extend([other(service, path).status, seen(service, path)]))
    verb = VERBS.get(change, "upload_thumbnail_file")
    original, states = getattr(service.manager, verb), list[Any]()

    def interrupted(*arguments: object, **keywords: object) -> object:
        interrupt()
        return original(*arguments, **keywords)

    monkeypatch.setattr(service.manager, verb, interrupted)
    answer = change(service, path, if_match=seen(service, path)["etag"])
    status, left = states
    assert status in (200, 204)
    assert answer.status in ((412,) if left else GONE)
    assert seen(service, path) == left
    if left:
        assert service("GET", left["links"]["thumbnail"]).status == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "operation", "other"),
    [
        (patch, "patch", patch),
        (patch, "patch", delete),
        (patch, "patch", replace_artwork),
        (delete, "delete", patch),
        (delete, "delete", delete),
        (delete, "delete", replace_artwork),
        (delete, "delete", artwork_of_another_kind),
        (replace_artwork, "upload", replace_artwork),
        (replace_artwork, "upload", artwork_of_another_kind),
        (replace_artwork, "upload", delete),
        (artwork_of_another_kind, "upload", replace_artwork),
        (artwork_of_another_kind, "upload", delete),
    ],
)
def test_a_change_just_before_the_bucket_writes_is_noticed(
    bucket: StrictServer, change: Change, operation: str, other: Change
) -> None:
    with closing(GcsStore(BUCKET, emulator=bucket.url)) as store, serving(store) as service:
        path = stored(service)
        states: list[Any] = []
        interrupt = once(lambda: states.extend([other(service, path).status, seen(service, path)]))

        def before(request: Request) -> None:
            if request.operation == operation:
                interrupt()

        etag = seen(service, path)["etag"]
        bucket.on_request = before
        answer = change(service, path, if_match=etag)
        bucket.on_request = None
        status, left = states
        assert status in (200, 204)
        assert answer.status in ((412,) if left else GONE)
        assert seen(service, path) == left
        assert list(service.manager.audit.check()) == []


def test_a_change_of_metadata_while_artwork_is_sent_is_kept(bucket: StrictServer) -> None:
    """Neither is lost: the artwork is replaced, and the metadata is not."""
    with closing(GcsStore(BUCKET, emulator=bucket.url)) as store, serving(store) as service:
        path = stored(service)
        interrupt = once(lambda: patch(service, path))

        def before(request: Request) -> None:
            if request.operation == "upload":
                interrupt()

        etag = seen(service, path)["etag"]
        bucket.on_request = before
        answer = replace_artwork(service, path, if_match=etag)
        bucket.on_request = None
        assert answer.status == 200
        assert answer.json["custom"].keys() == {"mood"}
        assert service("GET", f"{path}/thumbnail").body != cover()


@pytest.mark.parametrize("change", [patch, delete, replace_artwork])
def test_of_many_changes_of_one_version_one_is_made(service: Running, change: Change) -> None:
    path = stored(service)
    etag = seen(service, path)["etag"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: change(service, path, if_match=etag), range(6)))
    first, *others = sorted(answer.status for answer in answers)
    assert first in (200, 204)
    # A deletion that removes what another one of this version has left so far succeeds, too.
    assert set(others) <= {*GONE, *([204] if change is delete else [])}


def test_what_is_stored_while_a_version_is_deleted_is_left_alone(bucket: StrictServer) -> None:
    with closing(GcsStore(BUCKET, emulator=bucket.url)) as store, serving(store) as service:
        path = stored(service)
        lock, deletions = Lock(), list[str]()

        def before(request: Request) -> None:
            if request.operation == "delete":
                with lock:
                    deletions.append(request.name)
                if len(deletions) == 1:
                    return
            if request.operation == "list" and len(deletions) == 1:
                deletions.append("")
                again = service("PUT", f"{path}/audio", tone(hz=450), content_type="audio/wav")
                assert again.status == 201, again

        etag = seen(service, path)["etag"]
        bucket.on_request = before
        assert delete(service, path, if_match=etag).status == 204
        bucket.on_request = None
        assert service("GET", f"{path}/audio").body == tone(hz=450)


def killed(service: Running, path: str, *names: str) -> None:
    """Leave what a deletion leaves that is killed once the audio and these parts are deleted."""
    for name, blob in service.manager.get(path.rpartition("/")[2]).parts.items():
        if name in ("audio", *names):
            service.manager.store.delete(blob)


def test_a_deletion_of_one_version_that_was_killed_is_finished_by_the_same_request(
    service: Running,
) -> None:
    path = stored(service)
    assert service("POST", f"{path}/analysis").status == 200
    before = seen(service, path)
    for names in ((), ("thumbnail",), ("waveform",)):
        etag = seen(service, path)["etag"]
        killed(service, path, *names)
        assert seen(service, path) is None
        assert delete(service, path, if_match=etag).status == 204
        assert list(service.manager.audit.check()) == []
        assert delete(service, path, if_match=etag).status == 404
        assert service("POST", f"{path}/restore").status == 200
        assert seen(service, path)["links"] == before["links"]
        assert service("GET", f"{path}/thumbnail").body == cover()


def test_only_what_is_left_of_that_version_is_deleted(service: Running) -> None:
    path = stored(service)
    audio_id = path.rpartition("/")[2]
    etag = seen(service, path)["etag"]
    killed(service, path, "thumbnail")
    service.manager.upload_thumbnail_file(JPG, audio_id)  # waits for its audio
    for header in (etag, "*", f"W/{etag}", '"0.0-1.1"', '"nonsense"'):
        assert delete(service, path, if_match=header).status == 404
    service.manager.upload_audio_file(tone(hz=450), audio_id=audio_id)
    assert delete(service, path, if_match=etag).status == 412
    assert service("GET", f"{path}/thumbnail").body == JPG.read_bytes()


def test_the_library_finishes_the_deletion_of_one_version_too(service: Running) -> None:
    path = stored(service)
    asset = service.manager.get(path.rpartition("/")[2])
    killed(service, path)
    service.manager.delete(asset.audio_id, if_unchanged=asset)
    assert list(service.manager.audit.check()) == []
    service.manager.restore(asset.audio_id)
    assert service("GET", f"{path}/thumbnail").body == cover()


def test_artwork_is_replaced_by_its_own_tag_too(service: Running) -> None:
    path = stored(service)
    tag = service("GET", f"{path}/thumbnail").headers["etag"]
    assert replace_artwork(service, path, if_match=tag).status == 200
    replaced = service("GET", f"{path}/thumbnail").body
    assert replaced != cover()
    assert artwork_of_another_kind(service, path, if_match=tag).status == 412
    assert service("GET", f"{path}/thumbnail").body == replaced
    assert delete(service, path, if_match=tag).status == 412


def test_links_that_were_revoked_stay_so_when_revocations_meet(bucket: StrictServer) -> None:
    """A slow revocation must not set an epoch that was left meanwhile."""
    with (
        closing(GcsStore(BUCKET, emulator=bucket.url)) as store,
        serving(store, share_secret=SECRET) as service,
    ):
        path = stored(service)
        links: list[str] = []

        def in_between() -> None:
            assert service("DELETE", f"{path}/shares").status == 204
            links.append(service("POST", f"{path}/shares", {}).json["url"])
            assert service("DELETE", f"{path}/shares").status == 204

        interrupt = once(in_between)

        def before(request: Request) -> None:
            if request.operation == "patch":
                interrupt()

        bucket.on_request = before
        assert service("DELETE", f"{path}/shares").status == 204
        bucket.on_request = None
        place = links[0].partition(f":{service.port}")[2]
        assert service("GET", place, token=None).status == 410
