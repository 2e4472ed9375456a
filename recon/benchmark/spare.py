"""The SpaRe benchmark's split files: which views each scene gives, and which it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recon.benchmark.protocols import Ids, Protocol
from recon.datasets.files import read_json
from recon.errors import InputError

PARTS = ("DTU", "Synthetic")
PHASES = {"spare": "development", "spare-test": "test"}
"""The word in the split files' names, by protocol."""


@dataclass(frozen=True)
class Entry:
    """One scene of a split."""

    scene: str
    ids: Ids
    dataset: str
    """One of PARTS."""


def split_files(data: Path, phase: str, tracks: Sequence[int] = (1, 2)) -> list[Path]:
    """The official files of a phase in `data`, under their published names."""
    paths = [data / f"Track{track}_split_{phase}.json" for track in tracks]
    return [path for path in paths if path.is_file()]


def read_split(path: Path) -> list[Entry]:
    """The scenes of a split file, in its order. Raises InputError for what is not of the published schema."""
    entries = []
    for scene, values in read_json(path).items():
        if not isinstance(values, dict) or values.get("dataset") not in PARTS:
            raise InputError(
                f'{path} gives {scene} no "dataset" of {" or ".join(PARTS)}; take the benchmark\'s own file.'
            )
        if Path(scene).name != scene or scene in ("", ".", ".."):
            raise InputError(f"{path} names a scene {scene!r}, which is no folder name; correct it.")
        train, test = (_numbers(values, key, scene, path) for key in ("input_views", "test_views"))
        if set(train) & set(test):
            raise InputError(f"{path} asks for input views of {scene} as test views; correct it.")
        entries.append(Entry(scene, Ids(train, test), values["dataset"]))
    if not entries:
        raise InputError(f"{path} names no scene; take the benchmark's own file.")
    return entries


def with_splits(protocol: Protocol, data: Path, split: Path | None) -> Protocol:
    """A SpaRe protocol with the scenes and views of `split`, or of the official files in `data`; another
    protocol, or one with views of its own, as it is. Raises InputError: no file, or a split of nothing."""
    if protocol.name not in PHASES:
        if split is not None:
            raise InputError(f"The {protocol.name} protocol reads no split file; drop --split {split}.")
        return protocol
    paths = [split] if split else split_files(data, PHASES[protocol.name])
    if not paths:
        raise InputError(
            f"{data} holds no Track1_split_{PHASES[protocol.name]}.json; copy the benchmark's file there, or "
            "name one with --split."
        )
    entries = [entry for path in paths for entry in read_split(path)]
    return replace(
        protocol,
        scenes=tuple(dict.fromkeys(entry.scene for entry in entries)),
        ids={(entry.scene, len(entry.ids.train)): entry.ids for entry in entries},
        parts={entry.scene: entry.dataset for entry in entries},
    )


def _numbers(values: dict[str, Any], key: str, scene: str, path: Path) -> tuple[int, ...]:
    numbers = values.get(key)
    whole = isinstance(numbers, list) and all(type(n) is int and n >= 0 for n in numbers)
    if not whole or not numbers or len(set(numbers)) < len(numbers):
        raise InputError(f'{path} gives {scene} "{key}" {numbers!r}; list each view once, from 0.')
    return tuple(numbers)
