"""Folders, names and JSON of a data set; what the file system refuses becomes an `InputError`."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from recon.errors import InputError
from recon.files import parse_json

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".hif", ".tif", ".tiff"})

LONGEST_NAME = 255
"""Bytes in the name of a file, on every file system in use."""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say as an `InputError` that `path`, or what lies in it, is missing or may not be read."""
    try:
        yield
    except PermissionError as error:
        raise InputError(
            f"{error.filename or path} may not be read (permission denied); "
            "give yourself the right with `chmod u+rX`, or copy it elsewhere."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or path} does not exist; check the path.") from error


def list_photos(folder: Path) -> list[Path]:
    """The photo files right inside `folder`, by extension, in plain name order; hidden files are left out."""
    with readable(folder), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    return [folder / name for name in sorted(names) if Path(name).suffix.lower() in PHOTO_SUFFIXES]


def inside(folder: Path, name: str, source: Path) -> Path:
    """The file that `source` calls `name`, which must stay inside `folder`: a data set that somebody else
    made cannot point at other files of this machine."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).is_absolute() or ".." in path.parts or not path.name:
        raise InputError(
            f'{source} names the photo "{name}", which lies outside {folder}; use paths inside that folder.'
        )
    if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in path.parts):
        raise InputError(
            f'{source} names the photo "{path.name[:40]}...", longer than a file name can be; correct it.'
        )
    return folder / path


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Python lets NaN and Infinity pass; the checks of the values do not."""
    with readable(path):
        text = path.read_bytes()
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}); write it again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, not a JSON object; write it again.")
    return content


def short_names(paths: Sequence[Path]) -> list[str]:
    """A unique name for each file: its own, or with its folder's where two files share it."""
    shared = Counter(path.name for path in paths)
    return [path.name if shared[path.name] == 1 else f"{path.parent.name}/{path.name}" for path in paths]
