"""Reporting events to the log and to listeners."""

import logging
import subprocess
import sys
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
    RetriesEnded,
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
QUIET: list[Event] = [Progress("x", 1, 2), Retried("x", 1, 0.5, OSError()), RetriesEnded("x")]


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_events_are_logged_and_reported(
    event: Event, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "audiostore")
    reported: list[Event] = []
    Notifier(reported.append)(event)
    assert reported == [event]
    assert line in caplog.text


@pytest.mark.parametrize("event", QUIET)
def test_frequent_events_are_reported_but_not_logged(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "audiostore")
    reported: list[Event] = []
    Notifier(reported.append)(event)
    assert reported == [event]
    assert caplog.text == ""


def test_a_begun_upload_is_logged_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "audiostore")
    reported: list[Event] = []
    Notifier(reported.append)(Begun("id1", Path("/x/y")))
    assert reported == [Begun("id1", Path("/x/y"))]
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


def test_nothing_is_logged_or_imported_for_it_where_the_program_does_not_import_logging() -> None:
    program = (
        "import sys; from audiostore.log import logger; logger.warning('unheard %s', 1);"
        "print(logger.isEnabledFor(50), 'logging' in sys.modules);"
        "import logging; logger.warning('unheard'); logging.basicConfig(stream=sys.stdout);"
        "logger.warning('heard')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False False\nWARNING:audiostore:heard\n", "")


def test_it_knows_whether_a_listener_is_registered() -> None:
    notify = Notifier()
    heard = [notify.is_heard]
    with notify.listening(print):
        heard.append(notify.is_heard)
    heard.append(notify.is_heard)
    assert heard == [False, True, False]
    assert Notifier(print).is_heard


def test_relayed_events_reach_only_the_relay() -> None:
    reported: list[object] = []
    relayed: list[object] = []
    notify = Notifier(reported.append)
    notify.relay(relayed.append)
    notify(Deleted("id1"))
    assert (reported, relayed) == ([], [Deleted("id1")])
