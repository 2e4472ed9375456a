"""One thread that draws for all browsers, the one after the other, so that twenty of them cost no more than
one, and a running fit little."""

import logging
import threading
import time
from collections.abc import Callable, Hashable

from recon.errors import ReconError

logger = logging.getLogger(__name__)


class Painter:
    """Does what is asked for when it is due. What is asked for again before that is done once, later."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of the time; lower while a fit needs the machine."""
        self._due: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="recon-painter", daemon=True)
        self._thread.start()

    def ask(self, who: Hashable, job: Callable[[], None], delay: float = 0.0) -> None:
        """`job` in `delay` seconds, in place of what `who` asked for before."""
        with self._changed:
            self._due[who] = time.monotonic() + delay, job
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
            except ReconError as error:
                logger.error("The viewer could not draw: %s", error)
            cost = time.monotonic() - begin
            if self.share < 1:
                time.sleep(cost * (1 / self.share - 1))

    def _next(self) -> Callable[[], None] | None:
        """Waits for the job that is due first; None when stopped."""
        with self._changed:
            while not self._stopped:
                if not self._due:
                    self._changed.wait()
                    continue
                who = min(self._due, key=lambda one: self._due[one][0])
                due, job = self._due[who]
                if (rest := due - time.monotonic()) <= 0:
                    del self._due[who]
                    return job
                self._changed.wait(rest)
            return None
