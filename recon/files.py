"""Files that are either whole or not there."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from recon.errors import InputError, MachineError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises MachineError if the disk is full while `path` is made, InputError for all else it refuses."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise MachineError(
                f"{path} does not fit on its disk ({error.strerror}); free space or choose another folder."
            ) from error
        raise InputError(
            f"{path} cannot be written ({error.strerror}); choose a folder that you may write to."
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file for writing that appears under `path` only when it is whole: a temporary neighbour until then.

    Raises MachineError if the disk is full, InputError if the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError for anything else, brackets too deep for Python included."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its brackets are nested too deeply") from error


def remove_temporaries(folder: Path) -> None:
    """Removes what `atomic_file` could not, because its process was killed, anywhere in `folder`."""
    for temporary in folder.rglob(".*.tmp"):
        temporary.unlink(missing_ok=True)
