"""The failures that scripts/bench_viewer.py must see though the program goes on."""

import logging
import sys
import threading
import time
from pathlib import Path

import pytest
from two_colours import two_coloured_wall
from viser._threadpool_exceptions import print_threadpool_errors

from recon.viewer import ViewerScene, serve

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from failures import Failures


def fail() -> None:
    raise IndexError("index 7 is out of bounds")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_and_an_error_in_the_log_are_seen():
    with Failures() as failures:
        logging.getLogger("recon.viewer").warning("no failure")
        thread = threading.Thread(target=fail, name="recon-painter")
        thread.start()
        thread.join()
        logging.getLogger("recon.viewer").error("could not draw")
    assert failures.lines == [
        "recon-painter: IndexError('index 7 is out of bounds')",
        "recon.viewer: could not draw",
    ]
    before = list(failures.lines)
    logging.getLogger("recon.viewer").error("after its end")
    assert failures.lines == before


def test_a_failing_callback_of_visers_is_seen_and_what_a_painter_survives():
    viewer = serve(ViewerScene.from_views(*two_coloured_wall()), port=0)
    try:
        with Failures() as failures:
            viewer._server._thread_executor.submit(fail).add_done_callback(print_threadpool_errors)
            viewer._painter.ask("window", fail)
            end = time.monotonic() + 10
            while len(failures.lines) < 2 and time.monotonic() < end:
                time.sleep(0.01)
    finally:
        viewer.stop()
    assert sorted(line.split(":")[0] for line in failures.lines) == ["recon.viewer.painter", "viser"]
