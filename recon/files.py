"""Files that are either whole or not there."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from recon.errors import InputError, MachineError


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file for writing that appears under `path` only when it is whole: a temporary neighbour until then.

    Raises MachineError if the disk is full, InputError if the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineError(
                f"{path} does not fit on its disk ({error.strerror}); free space or choose another folder."
            ) from error
        raise InputError(
            f"{path} cannot be written ({error.strerror}); choose a folder that you may write to."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
