"""The thread that draws for all browsers."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from recon.errors import MachineError
from recon.viewer.painter import Painter


@pytest.fixture
def painter() -> Iterator[Painter]:
    painter = Painter()
    yield painter
    painter.stop()


def test_what_is_asked_for_again_is_done_once_and_last(painter: Painter):
    done, finished = [], threading.Event()
    for i in range(5):
        painter.ask("a", lambda i=i: done.append(i), delay=0.1)
    painter.ask("b", lambda: done.append("b"))
    painter.ask("c", finished.set, delay=0.3)
    assert finished.wait(5)
    assert done == ["b", 4]


def test_what_is_forgotten_is_not_done(painter: Painter):
    done, finished = [], threading.Event()
    painter.ask("a", lambda: done.append("a"), delay=0.05)
    painter.forget("a")
    painter.ask("b", finished.set, delay=0.2)
    assert finished.wait(5)
    assert done == []


def test_it_rests_while_a_fit_needs_the_machine(painter: Painter):
    painter.share = 0.2
    begin, finished = time.monotonic(), threading.Event()
    painter.ask("a", lambda: time.sleep(0.05))
    painter.ask("b", finished.set, delay=0.01)
    assert finished.wait(5)
    assert time.monotonic() - begin >= 0.25


def test_a_failure_is_told_and_the_next_is_drawn(painter: Painter, caplog: pytest.LogCaptureFixture):
    def fail() -> None:
        raise MachineError("no memory")

    finished = threading.Event()
    painter.ask("a", fail)
    painter.ask("b", finished.set, delay=0.05)
    assert finished.wait(5)
    assert "no memory" in caplog.text and caplog.records[0].levelno == logging.ERROR


def test_a_bug_is_told_once_with_its_place_and_the_next_is_drawn(
    painter: Painter, caplog: pytest.LogCaptureFixture
):
    def fail(index: int) -> None:
        [0][index]

    drawn, finished = [], threading.Event()
    for number in (1, 2, 3):
        painter.ask(f"window {number}", lambda number=number: fail(number), delay=0.01 * number)
    painter.ask("good", lambda: drawn.append(1), delay=0.1)
    painter.ask("last", finished.set, delay=0.15)
    assert finished.wait(5)
    assert drawn == [1] and painter._thread.is_alive()
    (told,) = caplog.records
    assert told.levelno == logging.ERROR and told.exc_info is not None and told.exc_info[0] is IndexError


def test_it_stops_at_once_even_while_it_rests():
    painter, done = Painter(), threading.Event()
    painter.share = 0.001
    painter.ask("a", lambda: (time.sleep(0.05), done.set()))
    assert done.wait(5)
    begin = time.monotonic()
    painter.stop()
    assert time.monotonic() - begin < 5


def test_what_is_put_off_comes_after_what_is_due_sooner(painter: Painter):
    done, finished = [], threading.Event()
    painter.ask("late", lambda: done.append("late"), delay=0.2)
    time.sleep(0.05)
    for _ in range(10):
        painter.ask("late", lambda: done.append("late"), delay=0.25)
    painter.ask("soon", lambda: done.append("soon"))
    painter.ask("last", finished.set, delay=0.4)
    assert finished.wait(5)
    assert done == ["soon", "late"]
