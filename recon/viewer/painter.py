"""One thread that draws for all browsers, the one after the other, so that twenty of them cost no more than
one, and a running fit little."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Hashable

from recon.errors import ReconError

logger = logging.getLogger(__name__)


class Painter:
    """Does what is asked for when it is due. What is asked for again before that is done once, later."""

    def __init__(self, name: str = "recon-painter") -> None:
        """`name` is the thread's."""
        self.share = 1.0
        """Of the time; lower while a fit needs the machine."""
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = float("inf")
        self._told: set[Hashable] = set()
        """Failures that the log knows of."""
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def ask(self, who: Hashable, job: Callable[[], None], delay: float = 0.0) -> None:
        """`job` in `delay` seconds, in place of what `who` asked for before."""
        due = time.monotonic() + delay
        with self._changed:
            self._due[who] = due, job
            if due < self._wakes_at:
                self._changed.notify()

    def forget(self, who: Hashable) -> None:
        """Nothing more for `who`."""
        with self._changed:
            self._due.pop(who, None)

    def stop(self) -> None:
        """Ends the thread after the job under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            begin = time.monotonic()
            try:
                job()
            except Exception as error:
                # A thread has nobody above it to handle what it is not prepared for, and without this one no
                # window would get another picture.
                self._tell(error)
            cost = time.monotonic() - begin
            self._rest(cost * (1 / self.share - 1))

    def _rest(self, seconds: float) -> None:
        """Or until stopped; what is asked for meanwhile waits."""
        with self._changed:
            self._wakes_at = -float("inf")
            self._changed.wait_for(lambda: self._stopped, timeout=seconds)

    def _tell(self, error: Exception) -> None:
        """Once: what fails for a window fails again at its next picture. A bug is known by its place."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        expected = isinstance(error, ReconError)
        failure = str(error) if expected else (place.filename, place.lineno)
        if failure not in self._told:
            self._told.add(failure)
            logger.error("The viewer could not draw: %s", error, exc_info=None if expected else error)

    def _next(self) -> Callable[[], None] | None:
        """Waits for the job that is due first; None when stopped."""
        with self._changed:
            while not self._stopped:
                if not self._due:
                    self._wait_until(float("inf"))
                    continue
                who = min(self._due, key=lambda one: self._due[one][0])
                due, job = self._due[who]
                if due <= time.monotonic():
                    del self._due[who]
                    return job
                self._wait_until(due)
            return None

    def _wait_until(self, due: float) -> None:
        """Or until something is due before: an eye in motion puts its picture off ten times a second, and
        that wakes nobody."""
        self._wakes_at = due
        self._changed.wait(None if due == float("inf") else due - time.monotonic())
