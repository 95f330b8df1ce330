"""Which store is meant."""

import os
import sys
from pathlib import Path

import pytest

from audiostore import FileOrganizer
from audiostore.config import (
    BucketLocation,
    DirectoryLocation,
    ca_bundle,
    configured_bucket,
    emulator_endpoint,
    parse_location,
    require_configured_bucket,
    user_directory,
)
from audiostore.errors import ConfigurationError
from audiostore.stores.local import LocalStore


@pytest.mark.parametrize(
    "url", ["my-bucket", "gs://my-bucket", "gs://my-bucket/", "my-bucket/", "gs://my-bucket///"]
)
def test_a_bucket_is_named_plainly_or_by_url(url: str) -> None:
    assert parse_location(url) == BucketLocation("my-bucket")


@pytest.mark.parametrize(
    "name", ["abc", "a.b-c_d.e", "0numbers9", "b", "a" * 63, "x." * 100 + "com"]
)
def test_valid_bucket_names_pass(name: str) -> None:
    assert parse_location(name) == BucketLocation(name)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gs://",
        "My-Bucket",
        "a b",
        "bucket\n",
        "-a",
        "a-",
        ".a",
        "s3://bucket",
        "https://storage.googleapis.com/b",
        "C:\\Music",
        "gs:my-bucket",
        "my-bucket/prefix",
        ".hidden",
        "bück",
        "a" * 300,
    ],
)
def test_a_value_that_is_not_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a bucket"):
        parse_location(url)


def test_a_word_with_a_slash_is_told_apart_by_the_caller() -> None:
    with pytest.raises(ConfigurationError, match=r"gs://music/prod for a pre.* ./music/prod for a"):
        parse_location("music/prod")
    with pytest.raises(ConfigurationError, match="s3:// is not supported: give my-bucket, gs://"):
        parse_location("s3://music")


def test_a_directory_that_is_taken_for_a_bucket_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "My Music" / "new").mkdir(parents=True)
    for name in ("My Music", "My Music/new"):
        with pytest.raises(ConfigurationError, match=rf"give \./{name} for the directory"):
            parse_location(name)


@pytest.mark.parametrize(
    "prefix",
    ["prod", "a/b/c", "my library", "Zürich/🎵", "100%25", "%2e%2e", "audio2", "...", "x" * 900],
)
def test_a_prefix_is_part_of_the_url(prefix: str) -> None:
    location = parse_location(f"gs://music/{prefix}//")
    assert location == BucketLocation("music", prefix)
    assert parse_location(location.url) == location


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("/x", "empty segment"),
        ("a//b", "empty segment"),
        ("a/./b", "segment '.'"),
        ("..", "segment '..'"),
        ("a/../b", "segment '..'"),
        ("a\nb", "contains '\\\\n'"),
        ("a\x85b", "contains"),
        ("a[1]", r"contains '\['"),
        ("a*", r"contains '\*'"),
        ("a?b", r"contains '\?'"),
        ("a#1", "contains '#'"),
        ("\udc80", "contains"),
        ("x" * 901, "901 bytes; at most 900"),
        ("ü" * 451, "902 bytes; at most 900"),
        ("audio", "gs://music keeps its assets in the folder audio: name gs://music,"),
        ("prod/audio/1", "gs://music/prod keeps its assets in the folder audio: name gs://music/p"),
    ],
)
def test_a_prefix_that_would_go_wrong_later_is_refused(prefix: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        parse_location(f"gs://music/{prefix}")


def test_the_folder_that_no_prefix_has_is_that_of_assets() -> None:
    with pytest.raises(ConfigurationError, match="gs://music keeps its assets in the folder"):
        parse_location(f"gs://music/{FileOrganizer.AUDIO_ROOT}")


def test_a_directory_is_named_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "link").symlink_to(here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", "/home/ann")
    for text, path in {
        ".": here,
        "./": here,
        "./a b#?%20": here / "a b#?%20",
        "./-x": here / "-x",
        "..": tmp_path,
        "../x": tmp_path / "x",
        "../link/../y": tmp_path / "y",
        "/srv/music/": Path("/srv/music"),
        "/": Path("/"),
        "~": Path("/home/ann"),
        "~/music": Path("/home/ann/music"),
    }.items():
        assert parse_location(text) == DirectoryLocation(path), text
    # What ".." leaves is the target of a link, as for the kernel.
    (here / "in").symlink_to("/usr/lib")
    assert parse_location("./in/../share") == DirectoryLocation(Path("/usr/lib/../share").resolve())


@pytest.mark.parametrize("text", ["/a\0b", "~no-such-user-here/x"])
def test_a_path_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the path of a directory"):
        parse_location(text)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///some/dir", "/some/dir"),
        ("file:///some/dir/", "/some/dir"),
        ("file://localhost/some/dir", "/some/dir"),
        ("file:/some/dir", "/some/dir"),
        ("file:///with%20space%23%3F%25", "/with space#?%"),
        ("file:///Z%C3%BCrich/\u5317", "/Zürich/\u5317"),
        ("file:///", "/"),
    ],
)
def test_a_directory_is_named_by_url(url: str, path: str) -> None:
    assert parse_location(url) == DirectoryLocation(Path(path))


@pytest.mark.parametrize("url", ["file:", "file:relative", "file://host/dir", "file://relative"])
def test_a_url_that_is_not_a_local_directory_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write file:///absolute/path"):
        parse_location(url)


@pytest.mark.parametrize("url", ["file:///music#1", "file:///music?x", "file:///mu\nsic"])
def test_no_part_of_a_url_is_dropped_silently(url: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_location(url)


def test_a_url_that_is_none_at_all_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        parse_location("file://[oops/dir")


@pytest.mark.parametrize("name", ["plain", "with space", "a#b?c%d", "Zürich 🎵", "100%25", "a\nb"])
def test_the_url_of_a_local_store_leads_back_to_it(name: str, tmp_path: Path) -> None:
    assert parse_location(LocalStore(tmp_path / name).url) == DirectoryLocation(tmp_path / name)


def test_the_url_of_a_local_store_round_trips_even_if_its_path_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9")
    assert parse_location(LocalStore(path).url) == DirectoryLocation(path)


def test_the_environment_names_the_bucket() -> None:
    assert configured_bucket({"GCS_BUCKET_NAME": "b"}) == "b"
    assert require_configured_bucket({"GCS_BUCKET_NAME": "b"}) == "b"
    for environ in ({}, {"GCS_BUCKET_NAME": ""}):
        assert configured_bucket(environ) is None
        with pytest.raises(ConfigurationError, match="set GCS_BUCKET_NAME"):
            require_configured_bucket(environ)


def test_the_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCS_BUCKET_NAME", "first")
    assert configured_bucket() == "first"
    monkeypatch.setenv("GCS_BUCKET_NAME", "second")
    assert configured_bucket() == "second"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:9")
    assert emulator_endpoint() == "http://localhost:9"


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        ("localhost:4443", "http://localhost:4443"),
        ("http://localhost:4443", "http://localhost:4443"),
        ("https://fake:1/", "https://fake:1"),
        ("", None),
        ("/", None),
    ],
)
def test_the_environment_names_the_emulator(value: str, endpoint: str | None) -> None:
    assert emulator_endpoint({"STORAGE_EMULATOR_HOST": value}) == endpoint
    assert emulator_endpoint({}) is None


def test_the_environment_names_the_certificates_curl_first() -> None:
    assert ca_bundle({}) is None
    assert ca_bundle({"REQUESTS_CA_BUNDLE": "/r"}) == "/r"
    assert ca_bundle({"REQUESTS_CA_BUNDLE": "/r", "SSL_CERT_FILE": "/s"}) == "/s"
    assert ca_bundle({"CURL_CA_BUNDLE": "/c", "SSL_CERT_FILE": "/s"}) == "/c"
    assert ca_bundle({"CURL_CA_BUNDLE": "", "SSL_CERT_FILE": "/s"}) == "/s"


@pytest.mark.parametrize(
    ("platform", "environ", "there"),
    [
        ("linux", {}, ("/home/me/.config", "/home/me/.local/share", "/home/me/.local/state")),
        ("darwin", {}, ("/home/me/Library/Application Support",) * 3),
        ("linux", {"XDG_STATE_HOME": "/x"}, ("/home/me/.config", "/home/me/.local/share", "/x")),
        ("linux", {"XDG_DATA_HOME": "./x"}, ("/home/me/.config", "/home/me/.local/share", "")),
    ],
)
def test_directories_of_the_user_are_where_xdg_and_macos_have_them(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    environ: dict[str, str],
    there: tuple[str, str, str],
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", "/home/me")
    config, data, state = (user_directory(kind, environ) for kind in ("config", "data", "state"))
    assert (config, data) == (Path(there[0], "audiostore"), Path(there[1], "audiostore"))
    assert state == Path(there[2] or "/home/me/.local/state", "audiostore")
