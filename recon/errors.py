"""The two kinds of failure that are not our bug.

Each carries one sentence: what is wrong, the value, what to do.
"""


class ReconError(Exception):
    """A failure whose message is written for the user; the CLI prints it without a traceback."""

    exit_code = 1


class InputError(ReconError):
    """Something the user gave is wrong: a file, a folder, a value."""

    exit_code = 2


class MachineError(ReconError):
    """The machine cannot do it: no GPU, no compiled core, disk full, too little memory."""

    exit_code = 3


def printable(text: str) -> str:
    """On one line, and without what steers a terminal: names of files may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
