"""Secrets in texts, wherever they come from."""

import pytest

from audiostore.errors import redacted, server_text, shown


@pytest.mark.parametrize(
    "text",
    [
        "https://storage.googleapis.com/upload/storage/v1/b/b/o?uploadType=resumable&upload_id=SECRET",
        "PUT /o?upload_id=SECRET&x=1 failed",
        "upload_id%3DSECRET",
        "X-GUploader-UploadID: SECRET",
        "https://h/b/o?X-Goog-Algorithm=GOOG4&X-Goog-Signature=SECRET",
        "Authorization: Bearer SECRET",
        "authorization='Bearer SECRET'",
        '{"Authorization": "Bearer SECRET"}',
        "proxy-authorization: Basic U0VDUkVUSECRET",
        "Bearer SECRET.SECRET-SECRET_SECRET",
        "x-goog-encryption-key: SECRET+/SECRET=",
        "x-goog-copy-source-encryption-key: SECRET",
        '{"access_token": "SECRET", "expires_in": 3600}',
        "{'refresh_token': 'SECRET'}",
        "grant_type=refresh_token&refresh_token=SECRET&client_secret=SECRET",
        "assertion=SECRET",
        "http://user:SECRET@proxy:3128/",
        "http://user:SECRET@SECRET@proxy",
        "ya29.SECRET_SECRET",
        "eyJhbGciOiJSUzI1NiJ9SECRET.eyJpc3MiSECRET.SECRET",
        "password=SECRET",
    ],
)
def test_a_secret_is_not_shown(text: str) -> None:
    for made in (redacted(text), server_text(text), shown(text)):
        assert "SECRET" not in made, made
    assert "[secret]" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "gs://bucket/audio/1f/audio.mp3: object exists (generation 17) with other content",
        "file:///home/me/music/a@b.mp3",
        "robot@project.iam.gserviceaccount.com does not have storage.objects.get access",
        "the signature of the file is wrong; the password is not needed",
        "the bearer of bad news",
        "https://storage.googleapis.com/bucket/o?uploadType=resumable&name=a@b",
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_the_given_secrets_are_found_in_any_form() -> None:
    said = "no session AB+/cd==, nor AB%2B%2Fcd%3D%3D, nor AB%2B/cd%3D%3D"
    assert "AB" not in redacted(said, "AB+/cd==")
    assert redacted("a b a", "a") == "a b a"  # too short to be one


def test_a_text_of_a_server_is_one_short_line_of_visible_characters() -> None:
    text = server_text("a\r\nb\tc\x1b[2J\x9b\u202e\u2066\x7f" + "x" * 100_000)
    assert text.startswith(r"a b c\x1b[2J\x9b\u202e\u2066\x7fxxx")
    assert text.isprintable()
    assert len(text) < 600
