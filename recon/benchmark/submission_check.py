"""Every fault of a submission to the SpaRe benchmark that can be seen without its hidden photos."""

import io
import re
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from recon.benchmark.spare import PARTS, Entry
from recon.benchmark.submission import picture_names
from recon.datasets.dtu import LIGHT
from recon.datasets.projection import FULL_SIZE
from recon.errors import InputError, printable

VIEWS = 10
"""Test views a scene."""
MAX_MEMBER = 100_000_000
"""Bytes that a picture may have, packed and unpacked: 17 times those of 1600 x 1200 pixels."""
README = "readme.txt"
README_KEYS = ("runtimeperimage[s]", "cpu[1]/gpu[0]", "extradata[1]/noextradata[0]", "otherdescription")
_OTHER_KEYS = {"runtimeperframe[s]": README_KEYS[0], "other": README_KEYS[3]}
_PICTURE = re.compile(r"(?P<prefix>rect|cam)_(?P<number>\d{3})_(?P<light>\d)_(?P<end>r[57]000|0000)\.png")


@dataclass(frozen=True)
class Check:
    """What a look at a zip found."""

    faults: tuple[str, ...]
    """A sentence each, with the file's name."""
    complete: dict[str, tuple[int, int]]
    """By part: pictures that are there and pictures that are wanted; only where a split was given."""


def check_zip(path: Path, entries: Sequence[Entry] | None, size: tuple[int, int] = FULL_SIZE) -> Check:
    """Compares a zip with a split, or without one with the rules alone: names, numbers, formats, sizes.

    Raises InputError if there is no such file."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the zip of a submission.")
    try:
        with zipfile.ZipFile(path) as archive:
            faults = [printable(fault) for fault in _faults(archive, entries, size)]
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return Check((f"{path} is no zip file, or a damaged one ({error}).",), {})
    complete = {}
    for part in PARTS:
        wanted = [name for e in entries or () if e.dataset == part for name in picture_names(e)]
        if wanted:
            complete[part] = (len(names & set(wanted)), len(wanted))
    return Check(tuple(faults), complete)


def _faults(
    archive: zipfile.ZipFile, entries: Sequence[Entry] | None, size: tuple[int, int]
) -> Iterator[str]:
    files = [info for info in archive.infolist() if not info.filename.endswith("/")]
    members = [info for info in files if PurePosixPath(info.filename).parts]
    if not files:
        yield "The zip is empty."
    if len(members) < len(files):
        yield "The zip has a file without a name."
    for name, count in Counter(info.filename for info in members).items():
        if count > 1:
            yield f"{name} is in the zip {count} times."
    named = [info for info in members if info.filename != README]
    yield from _layout_faults([info.filename for info in named], entries)
    for info in members:
        if info.filename == README:
            yield from _readme_faults(_content(archive, info))
        elif info.filename.endswith(".png"):
            yield from _picture_faults(info.filename, _content(archive, info), size)


def _layout_faults(names: list[str], entries: Sequence[Entry] | None) -> Iterator[str]:
    depths = {len(PurePosixPath(name).parts) for name in names}
    roots = {PurePosixPath(name).parts[0] for name in names}
    if len(roots) == 1 and max(depths) > 2:
        yield f"All lies in the folder {roots.pop()}; put the scenes' folders at the root of the zip."
        return
    for name in names:
        yield from _name_faults(name)
    if entries is None:
        by_scene = Counter(name.partition("/")[0] for name in names)
        yield from (f"{s} has {n} pictures; {VIEWS} are wanted." for s, n in by_scene.items() if n != VIEWS)
        return
    there, wanted = set(names), defaultdict(set)
    for entry in entries:
        wanted[entry.dataset] |= set(picture_names(entry))
    for part in wanted.values():
        # Either part may be handed in alone.
        yield from (f"{name} is missing." for name in sorted(part - there) if part & there)
    unknown = sorted(there - set().union(*wanted.values()))
    yield from (f"{name} is not wanted: no test view of the split." for name in unknown)
    if not there & set().union(*wanted.values()):
        yield "No picture of the split is in the zip."


def _name_faults(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        yield f"{name} leads out of the zip's root."
    elif len(path.parts) != 2:
        yield f"{name} does not lie in the folder of a scene at the root."
    match = _PICTURE.fullmatch(path.name)
    if match is None:
        yield f"{name} is not named as rect_014_3_r5000.png (DTU) or cam_014_3_0000.png (SpaRe)."
        return
    if int(match["light"]) != LIGHT:
        yield f"{name} is of light {match['light']}; light {LIGHT} is measured."
    if (match["prefix"] == "cam") != (match["end"] == "0000"):
        yield f"{name} mixes the names of DTU and SpaRe."
    if match["number"] == "000":
        yield f"{name} counts from 0; files count from 1."


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a member; None if they are damaged, or so many that they are no picture."""
    if max(info.file_size, info.compress_size) > MAX_MEMBER:
        return None
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError):
        return None


def _picture_faults(name: str, content: bytes | None, size: tuple[int, int]) -> Iterator[str]:
    if content is None:
        yield f"{name} is damaged in the zip, or over {MAX_MEMBER / 1e6:.0f} MB."
        return
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            mode, found = picture.mode, picture.size
            has_alpha = picture.has_transparency_data
            if found == size:
                picture.load()
    except UnidentifiedImageError:
        yield f"{name} is no PNG, whatever its name says."
        return
    except (OSError, SyntaxError, ValueError) as error:
        yield f"{name} is a damaged PNG ({error})."
        return
    if has_alpha:
        yield f"{name} has an alpha channel; save RGB alone."
    elif mode != "RGB" or content[24] != 8:  # the bit depth in the PNG's header
        yield f"{name} is not RGB with 8 bits a channel but {mode} with {content[24]}."
    if found != size:
        yield f"{name} is {found[0]} x {found[1]} pixels; {size[0]} x {size[1]} are wanted."


def _readme_faults(content: bytes | None) -> Iterator[str]:
    """Keys are what stands before the first colon, compared without case and blanks."""
    try:
        lines = (content or b"").decode().splitlines()
    except UnicodeDecodeError:
        yield f"{README} is no text."
        return
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    values = {re.sub(r"\s+", "", key).lower(): value.strip() for key, value in pairs}
    values = {_OTHER_KEYS.get(key, key): value for key, value in values.items()}
    for key in README_KEYS:
        if key not in values:
            yield f"{README} lacks the line {key!r}."
    runtime = values.get(README_KEYS[0])
    if runtime is not None and not re.fullmatch(r"\d+(\.\d+)?", runtime):
        yield f"{README} gives {runtime!r} for the runtime per image; give seconds."
    for key in README_KEYS[1:3]:
        if values.get(key, "0") not in ("0", "1"):
            yield f"{README} gives {values[key]!r} for {key}; give 0 or 1."
