"""Failures that a program survives: of its threads, of viser's callbacks, and what its log calls an error.

A measurement that only looks at its own results would not see them.
"""

import io
import logging
import sys
import threading
from types import TracebackType
from typing import TextIO

VISERS_WORDS = ("Task failed with exception", "Callback failed with exception")
"""viser 1.1.1 writes these to stderr, with a traceback, and goes on."""


class Failures(logging.Handler):
    """Collects a line for each failure between `with` and its end; all are told to the terminal as ever."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def __enter__(self) -> "Failures":
        self._hook, self._stderr = threading.excepthook, sys.stderr
        threading.excepthook = self._thread_died
        sys.stderr = Overheard(self._stderr, self.lines)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        sys.stderr, threading.excepthook = self._stderr, self._hook

    def emit(self, record: logging.LogRecord) -> None:
        """What the log calls an error."""
        self.lines.append(f"{record.name}: {record.getMessage()}")

    def _thread_died(self, death: threading.ExceptHookArgs) -> None:
        name = death.thread.name if death.thread is not None else "a thread"
        self.lines.append(f"{name}: {death.exc_value!r}")
        self._hook(death)


class Overheard(io.TextIOBase):
    """A stream that passes everything on, and notes viser's words."""

    def __init__(self, stream: TextIO, lines: list[str]) -> None:
        self._stream, self._lines = stream, lines

    def write(self, text: str) -> int:
        """As the stream does."""
        if text.startswith(VISERS_WORDS):
            self._lines.append(f"viser: {text.strip()}")
        return self._stream.write(text)

    def flush(self) -> None:
        """As the stream does."""
        self._stream.flush()
