"""Log lines: one write each, never waited for, and what is lost is counted."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

from prefork import log

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def emit(sink: log.Sink, message: str, *args: object) -> None:
    record = logging.LogRecord("prefork", logging.WARNING, "x.py", 1, message, args, None)
    log.SinkHandler(sink, "master").emit(record)


def test_a_line_has_time_level_and_who(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        sink = log.open_sink(file.fileno())
        emit(sink, "hello %s", "you")
        sink.close()
    text = (tmp_path / "log").read_text()
    assert text.endswith("Z WARNING master: hello you\n")
    assert len(text.split("T")[0]) == len("2026-11-23")


def test_a_message_from_outside_cannot_forge_a_second_line(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        sink = log.open_sink(file.fileno())
        emit(sink, "peer said %s", "x\n2026-01-01T00:00:00.000Z INFO master: all is well")
        sink.close()
    assert (tmp_path / "log").read_text().count("\n") == 1


def test_a_full_pipe_drops_and_counts_and_never_blocks() -> None:
    reading, writing = os.pipe()
    sink = log.open_sink(writing)
    for _ in range(3000):
        emit(sink, "x" * 100)
    assert sink.dropped > 0
    assert os.get_blocking(writing)
    sink.close()
    os.close(reading)
    os.close(writing)


def test_a_full_socket_drops_and_counts_and_never_blocks() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = log.open_sink(ours.fileno())
        for _ in range(10_000):
            emit(sink, "x" * 100)
        assert sink.dropped > 0
        sink.close()


def test_a_full_disk_is_counted() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    sink = log.open_sink(fd)
    emit(sink, "lost")
    assert sink.dropped == 1
    sink.close()
    os.close(fd)


def test_a_closed_stderr_is_nobodys_error() -> None:
    closed = os.open(os.devnull, os.O_WRONLY)
    os.close(closed)
    sink = log.open_sink(closed)
    emit(sink, "nowhere")
    assert sink.dropped == 0
    sink.close()


def test_a_reader_that_went_away_is_counted() -> None:
    reading, writing = os.pipe()
    sink = log.open_sink(writing)
    os.close(reading)
    emit(sink, "nobody reads")
    assert sink.dropped == 1
    sink.close()
    os.close(writing)


def test_an_argument_that_cannot_be_printed_is_counted(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text")

    with (tmp_path / "log").open("wb") as file:
        sink = log.open_sink(file.fileno())
        emit(sink, "%s", Broken())
        assert sink.dropped == 1
        sink.close()


def test_attaching_takes_the_logger_over_and_detaching_gives_it_back(caplog: pytest.LogCaptureFixture) -> None:
    sink = log.Sink(os.open(os.devnull, os.O_WRONLY))
    handler = log.attach(sink, "master")
    assert not logging.getLogger("prefork").propagate
    log.detach(handler)
    logging.getLogger("prefork").warning("seen by the caller's own logging")
    assert "seen by" in caplog.text
    sink.close()


def test_the_count_of_lost_lines_is_kept_in_a_word_that_another_process_can_read() -> None:
    word = memoryview(bytearray(8)).cast("Q")
    sink = log.Sink(os.open("/dev/full", os.O_WRONLY))
    emit(sink, "lost before anybody counted")
    sink.count_in(word)
    assert word[0] == 0
    emit(sink, "lost")
    emit(sink, "%d", "no number")
    assert word[0] == sink.dropped == 2
    sink.close()
