"""What comes from the I/O thread reaches its reader in order, together, and bounded."""

import threading

import pytest

from audiostore.stores.gcs import download
from audiostore.stores.gcs.download import Pipe
from tests.timing import PATIENCE_S, wait_until

RECORD = 16 << 10
MIB = 1 << 20


def records(count: int) -> list[bytes]:
    return [bytes([index % 251]) * RECORD for index in range(count)]


def taking(pipe: Pipe) -> tuple[threading.Thread, list[tuple[bytes, bool]]]:
    """Have a thread take up to a MiB, once; return it, and where it puts what it gets."""
    taken: list[tuple[bytes, bool]] = []
    reader = threading.Thread(target=lambda: taken.append(pipe.take(MIB)), daemon=True)
    reader.start()
    return reader, taken


def wait_until_it_wants(pipe: Pipe, size_bytes: int) -> None:
    wait_until(lambda: pipe._wanted_bytes == size_bytes, f"no reader waits for {size_bytes} bytes")


def test_what_has_come_is_handed_over_together_and_in_order() -> None:
    pipe, sent = Pipe(), records(40)
    assert all(pipe.write(piece) for piece in sent)
    assert pipe.take(MIB) == (b"".join(sent), False)


def test_never_more_is_handed_over_than_was_asked_for() -> None:
    pipe, sent = Pipe(), records(2)
    for piece in sent:
        pipe.write(piece)
    pipe.end()
    taken = [pipe.take(10_000)[0] for _ in range(5)]
    assert [len(piece) for piece in taken] == [10_000, 10_000, 10_000, 2_768, 0]
    assert b"".join(taken) == b"".join(sent)


def test_what_comes_slowly_is_not_held_back() -> None:
    pipe = Pipe()
    pipe.write(b"the first bytes")
    reader, taken = taking(pipe)
    reader.join(timeout=PATIENCE_S)
    assert taken == [(b"the first bytes", False)]


def test_a_reader_is_woken_once_for_much_that_comes_in_little_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "_LINGER_S", PATIENCE_S)
    pipe, sent = Pipe(), records(64)
    reader, taken = taking(pipe)
    wait_until_it_wants(pipe, MIB)
    for piece in sent:
        pipe.write(piece)
    reader.join(timeout=PATIENCE_S)
    assert taken == [(b"".join(sent), False)]


def test_what_comes_late_is_handed_over_together_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_LINGER_S", 0.001)  # given up before anything comes
    pipe, sent = Pipe(), records(64)
    reader, taken = taking(pipe)
    wait_until_it_wants(pipe, 1)
    monkeypatch.setattr(download, "_LINGER_S", PATIENCE_S)
    pipe.write(sent[0])
    wait_until_it_wants(pipe, MIB)
    for piece in sent[1:]:
        pipe.write(piece)
    reader.join(timeout=PATIENCE_S)
    assert taken == [(b"".join(sent), False)]


def test_a_reader_that_waits_gets_what_comes_and_learns_of_the_end() -> None:
    pipe, taken, sent = Pipe(), bytearray(), records(200)

    def read() -> None:
        while piece := pipe.take(MIB)[0]:
            taken.extend(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for piece in sent:
        while not pipe.write(piece):
            pass
    pipe.end()
    reader.join(timeout=PATIENCE_S)
    assert not reader.is_alive()
    assert bytes(taken) == b"".join(sent)


def test_a_reader_who_is_slow_has_the_transfer_wait_until_little_is_left() -> None:
    pipe, piece = Pipe(), bytes(RECORD)
    held = 0
    while pipe.write(piece):
        held += RECORD
    assert held == 2 * MIB
    assert not pipe.write(piece)
    assert pipe.take(MIB // 2) == (bytes(MIB // 2), False)
    assert pipe.take(MIB // 2) == (bytes(MIB // 2), True)
    assert pipe.write(piece)
