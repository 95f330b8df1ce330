"""Telling the log, and whoever listens."""

import logging
from pathlib import Path

import pytest

from audiostore.events import (
    Attached,
    Begun,
    CleanedUp,
    CleanupFailed,
    Deleted,
    Downloaded,
    Event,
    Progress,
    Retried,
    Stored,
)
from audiostore.notify import Notifier

EVENTS: list[tuple[Event, str]] = [
    (Stored("id1", "gs://b/x", created=True), "stored id1 at gs://b/x"),
    (Stored("id1", "gs://b/x", created=False), "already stored"),
    (Attached("id1", "gs://b/x", waiting=False), "attached gs://b/x to id1"),
    (Attached("id1", "gs://b/x", waiting=True), "waits for audio"),
    (Downloaded("id1", Path("/x/y")), "downloaded id1 to /x/y"),
    (Deleted("id1"), "deleted id1"),
    (CleanedUp(Path("/x/y")), "cleaned up /x/y"),
    (CleanupFailed(Path("/x/y"), "denied"), "/x/y was kept: denied"),
]
QUIET: list[Event] = [Progress("x", 1, 2), Retried("x", 1, 0.5, OSError())]


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_what_happened_is_logged_and_told(
    event: Event, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "audiostore")
    told: list[Event] = []
    Notifier(told.append)(event)
    assert told == [event]
    assert line in caplog.text


@pytest.mark.parametrize("event", QUIET)
def test_what_is_frequent_is_told_but_not_logged(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "audiostore")
    told: list[Event] = []
    Notifier(told.append)(event)
    assert told == [event]
    assert caplog.text == ""


def test_what_is_begun_is_told_to_who_looks_closely(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "audiostore")
    told: list[Event] = []
    Notifier(told.append)(Begun("id1", Path("/x/y")))
    assert told == [Begun("id1", Path("/x/y"))]
    assert [(r.levelname, r.message) for r in caplog.records] == [("DEBUG", "storing /x/y as id1")]


def test_only_a_kept_file_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "audiostore")
    for event, _ in EVENTS:
        Notifier()(event)
    levels = {record.levelname for record in caplog.records[:-1]}
    assert levels == {"INFO"}
    assert caplog.records[-1].levelname == "WARNING"


def test_a_listener_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError(f"cannot take {event}")

    Notifier(fail)(Deleted("id1"))
    assert "the listener on_event failed on Deleted" in caplog.text
    assert "cannot take" in caplog.text


def test_an_interrupt_in_a_listener_interrupts() -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt(event)

    with pytest.raises(KeyboardInterrupt):
        Notifier(interrupt)(Deleted("id1"))


def test_it_says_whether_anybody_listens() -> None:
    notify = Notifier()
    heard = [notify.is_heard]
    with notify.listening(print):
        heard.append(notify.is_heard)
    heard.append(notify.is_heard)
    assert heard == [False, True, False]
    assert Notifier(print).is_heard


def test_what_is_relayed_is_told_elsewhere_alone() -> None:
    told: list[object] = []
    relayed: list[object] = []
    notify = Notifier(told.append)
    notify.relay(relayed.append)
    notify(Deleted("id1"))
    assert (told, relayed) == ([], [Deleted("id1")])
