"""Damaged files: how a whole one is damaged, and what a reader may do about it."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from recon.errors import ReconError

EXTREMES = (
    *(b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00" * 8, b"\xff" * 8),
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"99999999999999999999", b"null", b"[]", b"{}"),
    *(b'"', b"../", b"\x00", b"\n", b"\xed\xa0\x80"),
)
"""Counts, numbers and words on which readers stumble."""
DEEP = 3000
"""Brackets within brackets, for readers that call themselves."""
MEMORY = 500_000_000
"""Bytes by which reading may make the process grow."""
SECONDS = 1.0
"""Of the processor, for one file."""


class Edit(NamedTuple):
    """One piece of damage."""

    kind: str
    place: float
    """Share of the file before it."""
    length: int
    content: bytes


def edits() -> st.SearchStrategy[list[Edit]]:
    """One to four pieces of damage, half of them near the head of the file, where counts and sizes stand."""
    place = st.one_of(st.floats(0, 1), st.floats(0, 1).map(lambda share: share**4))
    content = st.one_of(st.sampled_from(EXTREMES), st.binary(min_size=1, max_size=8))
    kind = st.sampled_from(("replace", "replace", "insert", "remove", "cut", "repeat", "nest"))
    return st.lists(st.builds(Edit, kind, place, st.integers(1, 64), content), min_size=1, max_size=4)


def damaged(whole: bytes, damage: list[Edit]) -> bytes:
    """`whole` after all pieces of damage, one after another."""
    for kind, share, length, content in damage:
        at = int(share * len(whole))
        before, there, after = whole[:at], whole[at : at + length], whole[at + length :]
        whole = {
            "replace": before + content + whole[at + len(content) :],
            "insert": before + content + there + after,
            "remove": before + after,
            "cut": before,
            "repeat": before + there + there + after,
            "nest": before + DEEP * b"[" + there + after,
        }[kind]
    return whole


@contextmanager
def little_memory(growth: int = MEMORY) -> Iterator[None]:
    """Within, the process may not grow by more: what asks for it gets a MemoryError."""
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + growth, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refusal(read: Callable[[], object]) -> str | None:
    """What `read` says against the file, in one sentence; None if it takes it. Everything else that it
    raises, and more memory or time than a file may cost, fails the test."""
    said, seconds = timed(read)
    # Pages that are asked for and zeroed cost the processor several times as much while others do the same:
    # what is slow by chance is fast when it is read again.
    for _ in range(2):
        if seconds < SECONDS:
            break
        _, seconds = timed(read)
    assert seconds < SECONDS
    return said


def timed(read: Callable[[], object]) -> tuple[str | None, float]:
    """What `read` says against the file, and for how many seconds the processor read it."""
    begin, said = time.process_time(), None
    try:
        with little_memory():
            read()
    except ReconError as error:
        said = str(error)
        assert said.endswith(".") and "\n" not in said, said
    return said, time.process_time() - begin
