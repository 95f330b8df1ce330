"""Links with which anyone can hear an asset, until they end; feeds; what embeds them."""

import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from audiostore.serve.sharing import (
    Feed,
    InvalidTokenError,
    Share,
    ShareKey,
    own_secret,
)
from audiostore.testing import cover
from tests.assets import opened, tone
from tests.serve.conftest import Running, serving

SECRET = b"a secret of the tests, long enough"
ATOM, ITUNES = "{http://www.w3.org/2005/Atom}", "{http://www.itunes.com/dtds/podcast-1.0.dtd}"


@pytest.fixture(params=["local", "gcs"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with (
        opened(request.param, tmp_path) as store,
        serving(store, share_secret=SECRET) as running,
    ):
        yield running


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Running]:
    with opened("local", tmp_path) as store, serving(store, share_secret=SECRET) as running:
        yield running


def shared(service: Running, audio_id: str, **body: object) -> str:
    """Share an asset; return the path of its link."""
    answer = service("POST", f"/v1/assets/{audio_id}/shares", dict(body))
    assert answer.status == 201, answer.body
    url: str = answer.json["url"]
    assert url.startswith(f"http://127.0.0.1:{service.port}/s/")
    return url.removeprefix(f"http://127.0.0.1:{service.port}")


# -- tokens ----------------------------------------------------------------------------------------


def test_a_token_says_what_was_signed() -> None:
    key = ShareKey(SECRET, clock=lambda: 1000.0)
    for share in (
        Share(str(uuid4())),
        Share(str(uuid4()), 1001, 7),
        Share(str(uuid4()), 2**40 - 1),
    ):
        assert key.read_share(key.share_token(share)) == share
    feed = Feed("Jazz & more", {"text": "größer", "format": "mp3"})
    assert key.read_feed(key.feed_token(feed)) == feed


def test_a_token_of_another_key_kind_or_time_is_refused() -> None:
    key = ShareKey(SECRET, clock=lambda: 1000.0)
    share = key.share_token(Share(str(uuid4())))
    for token in (
        ShareKey(b"another secret of the tests").share_token(Share(str(uuid4()))),
        key.feed_token(Feed("a")),
        *("", "a", "é", "=" * 9, share[:-1], f"{share}A", share.swapcase(), "A" * 9_000),
    ):
        with pytest.raises(InvalidTokenError, match="not valid"):
            key.read_share(token)
    with pytest.raises(InvalidTokenError, match="expired"):
        key.read_share(key.share_token(Share(str(uuid4()), 1000)))
    with pytest.raises(InvalidTokenError):
        key.read_feed(share)
    with pytest.raises(ValueError, match="at least 16"):
        ShareKey(b"short")


def test_no_bit_of_a_token_can_be_changed() -> None:
    key = ShareKey(SECRET)
    token = key.share_token(Share(str(uuid4()), None, 3))
    for at, letter in enumerate(token[:-1]):  # some bits of the last letter are not used
        other = "B" if letter == "A" else "A"
        with pytest.raises(InvalidTokenError):
            key.read_share(token[:at] + other + token[at + 1 :])


def test_a_secret_is_made_once_and_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    secret = own_secret()
    assert len(secret) == 32
    assert own_secret() == secret
    (file,) = tmp_path.rglob("share-secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# -- links -----------------------------------------------------------------------------------------


def test_whoever_has_a_link_hears_the_asset_and_nothing_else(service: Running) -> None:
    audio_id = service.store(tone(0.5, title="<Étude> & more"), filename="a.wav")
    service("PUT", f"/v1/assets/{audio_id}/thumbnail", cover(), content_type="image/png")
    other = service.store(tone(0.2, hz=100))
    link = shared(service, audio_id)
    page = service("GET", link, token=None)
    text = page.body.decode()
    assert page.status == 200
    assert "&lt;Étude&gt; &amp; more" in text
    assert "<script" not in text
    assert f'content="http://127.0.0.1:{service.port}{link}/audio"' in text
    assert "frame-ancestors *" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    audio = service("GET", f"{link}/audio", token=None)
    assert audio.body == tone(0.5, title="<Étude> & more")
    assert audio.headers["access-control-allow-origin"] == "*"
    part = service("GET", f"{link}/audio", token=None, range="bytes=10-19")
    assert (part.status, part.body) == (206, audio.body[10:20])
    assert service("GET", f"{link}/thumbnail", token=None).body == cover()
    for path in (f"{link}/preview", f"{link}/waveform", f"{link}/x"):
        assert service("GET", path, token=None).status == 404
    for path in (f"/v1/assets/{other}", f"/v1/assets/{audio_id}", "/v1/assets", "/"):
        assert service("GET", path, token=None).status == 401
    assert service("POST", link, token=None).status in (401, 405)


def test_a_link_ends(local: Running) -> None:
    audio_id = local.store(tone(0.1))
    link, short = shared(local, audio_id), shared(local, audio_id, expires_s=1)
    assert local("GET", link, token=None).status == 200
    key = ShareKey(SECRET)
    expired = key.share_token(Share(audio_id, 1))
    assert local("GET", f"/s/{expired}", token=None).status == 410
    assert local("DELETE", f"/v1/assets/{audio_id}/shares").status == 204
    for path in (link, short, f"{link}/audio"):
        answer = local("GET", path, token=None)
        assert answer.status == 410, answer.body
    again = shared(local, audio_id)
    assert local("GET", again, token=None).status == 200
    local("DELETE", f"/v1/assets/{audio_id}")
    gone = local("GET", again, token=None)
    assert (gone.status, b"was deleted" in gone.body) == (410, True)
    assert local("GET", "/s/nonsense", token=None).status == 404


REVIVALS: tuple[dict[str, str | None], ...] = (
    {"share_epoch": "0"},
    {"share_epoch": None},
    {"Share_Epoch": "0"},
)


@pytest.mark.parametrize("custom", REVIVALS, ids=str)
def test_no_change_of_metadata_revives_a_link(
    service: Running, custom: dict[str, str | None]
) -> None:
    audio_id = service.store(tone(0.1))
    link = shared(service, audio_id)
    assert service("DELETE", f"/v1/assets/{audio_id}/shares").status == 204
    answer = service("PATCH", f"/v1/assets/{audio_id}", {"custom": custom})
    assert (answer.status, answer.problem) == (422, "InvalidMetadataError")
    assert service("GET", link, token=None).status == 410
    service.manager.update_metadata(audio_id, {"mood": "calm"}, replace=True)
    assert service("GET", link, token=None).status == 410
    assert service("GET", f"/v1/assets/{audio_id}").json["custom"] == {"mood": "calm"}


def test_links_stay_revoked_when_an_asset_is_restored(local: Running) -> None:
    audio_id = local.store(tone(0.1))
    link = shared(local, audio_id)
    local("DELETE", f"/v1/assets/{audio_id}/shares")
    assert local("DELETE", f"/v1/assets/{audio_id}").status == 204
    assert local("POST", f"/v1/assets/{audio_id}/restore").status == 200
    assert local("GET", link, token=None).status == 410


def test_an_upload_cannot_choose_how_often_its_links_were_revoked(local: Running) -> None:
    answer = local("POST", "/v1/assets?meta.share_epoch=65535", tone(0.1), content_type="audio/wav")
    assert (answer.status, answer.problem) == (422, "InvalidMetadataError")
    begun = {"filename": "a.wav", "size_bytes": 9, "metadata": {"share_epoch": "65535"}}
    assert local("POST", "/v1/uploads", begun).problem == "InvalidMetadataError"


@pytest.mark.parametrize("epoch", ["65535", "65536", "9" * 5_000])
def test_no_number_of_revocations_revives_a_link(local: Running, epoch: str) -> None:
    audio_id = local.store(tone(0.1))
    links = [shared(local, audio_id)]
    key = ShareKey(SECRET)
    links += [f"/s/{key.share_token(Share(audio_id, None, each))}" for each in (65_534, 65_535)]
    audio = local.manager.get(audio_id).audio
    assert audio is not None
    local.manager.store.update(audio, {"share_epoch": epoch})
    for _ in range(2):
        assert [local("GET", link, token=None).status for link in links] == [410] * 3
        assert local("DELETE", f"/v1/assets/{audio_id}/shares").status == 204
    refused = local("POST", f"/v1/assets/{audio_id}/shares", {})
    assert (refused.status, b"can have no more" in refused.body) == (409, True)


def test_what_does_not_make_a_link_is_refused(local: Running) -> None:
    audio_id = local.store(tone(0.1))
    at = f"/v1/assets/{audio_id}/shares"
    bodies: list[dict[str, object]] = [{"expires_s": 0}, {"expires_s": True}, {"x": 1}]
    for body in bodies:
        assert local("POST", at, body).status == 422
    assert local("POST", f"/v1/assets/{uuid4()}/shares", {}).status == 404
    assert local("POST", at, {}, token=None).status == 401


def test_without_a_secret_no_links_are_made(tmp_path: Path) -> None:
    with opened("local", tmp_path) as store, serving(store) as service:
        audio_id = service.store(tone(0.1))
        assert service("POST", f"/v1/assets/{audio_id}/shares", {}).status == 501
        assert service("GET", "/s/x", token=None).status == 501


def test_a_pasted_link_shows_a_player(local: Running) -> None:
    audio_id = local.store(tone(0.1, title="A tone"))
    link = shared(local, audio_id)
    page = local("GET", link, token=None).body.decode()
    assert 'type="application/json+oembed"' in page
    url = f"http://127.0.0.1:{local.port}{link}"
    found = local("GET", f"/oembed?url={url}&maxwidth=300&format=json", token=None).json
    assert (found["type"], found["version"], found["width"], found["height"]) == (
        *("rich", "1.0"),
        *(300, 160),
    )
    assert found["title"] == "A tone"
    assert f'src="{url}"' in found["html"]
    for query, status in (
        (f"url={url}&format=xml", 501),
        (f"url={url}&maxwidth=x", 400),
        ("url=https://elsewhere.example/", 404),
        (f"url={url}x", 404),
        ("", 404),
    ):
        assert local("GET", f"/oembed?{query}", token=None).status == status, query


def test_a_feed_is_of_a_search(local: Running) -> None:
    for title in ("One <&>", "Two", "Other"):
        local.store(tone(0.1, title=title), **({"meta.show": "a"} if title != "Other" else {}))
    made = local("POST", "/v1/feeds", {"title": "A show & more", "query": "meta.show=a"})
    path = made.json["url"].removeprefix(f"http://127.0.0.1:{local.port}")
    answer = local("GET", path, token=None)
    assert answer.headers["content-type"].startswith("application/rss+xml")
    channel = ElementTree.fromstring(answer.body).find("channel")
    assert channel is not None
    assert channel.findtext("title") == "A show & more"
    assert channel.find(f"{ATOM}link").attrib["href"] == made.json["url"]  # type: ignore[union-attr]
    items = channel.findall("item")
    assert [item.findtext("title") for item in items] == ["Two", "One <&>"]
    for item in items:
        enclosure = item.find("enclosure")
        assert enclosure is not None
        assert enclosure.attrib["type"] == "audio/wav"
        audio = local("GET", enclosure.attrib["url"].partition(f":{local.port}")[2], token=None)
        assert len(audio.body) == int(enclosure.attrib["length"])
        assert item.findtext(f"{ITUNES}duration") == "0"
    assert local("GET", "/feed/nonsense", token=None).status == 404
    wrong: list[dict[str, object]] = [
        {"title": ""},
        {"query": "limit=3"},
        {"query": 3},
        {"query": "min_duration_s=x"},
        {"x": 1},
    ]
    for body in wrong:
        assert local("POST", "/v1/feeds", body).status == 422, body
