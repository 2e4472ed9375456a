"""Files that are either whole or not there."""

import errno
import fcntl
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


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made if it is missing, for this process alone until the end, however that comes.

    Raises InputError if another process holds it, or it cannot be made. A file is left to the caller."""
    if folder.exists() and not folder.is_dir():
        yield
        return
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    """The system gives the lock back when the process ends; some network drives know none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"Another process is at work in {folder}; wait until it ends, or choose another --output."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.EBADF, errno.EINVAL):
            raise


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
