"""The folder of one reconstruction. metrics.json is written last: without it, the run is not done."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from recon.errors import InputError
from recon.files import atomic_file, parse_json, remove_temporaries, writing

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Where there is one, that in C: it is not slowed down by files made to be slow."""


T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Where everything of a run lies."""

    path: Path
    awaited: str | None = None
    """config.yaml of a run that is to take the place of the one which lies here: `make_way` lets it."""

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def cameras(self) -> Path:
        """Solved cameras of the train and the held-out photos."""
        return self.path / "priors" / "cameras.safetensors"

    @property
    def stereo(self) -> Path:
        return self.path / "priors" / "stereo.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The latest state of the fit."""
        return self.path / "checkpoints" / "latest.safetensors"

    @property
    def point_cloud(self) -> Path:
        return self.path / "point_cloud.ply"

    @property
    def held_out(self) -> Path:
        """Held-out photos beside what the scene shows from there."""
        return self.path / "held_out"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def near(self) -> float | None:
        """Distance from a camera, world units, within which the fit drew nothing, as metrics.json says; None
        for runs without one, or of before it said so. Raises InputError if it is damaged."""
        return self._said("near", float)

    @property
    def backdrop(self) -> tuple[float, ...] | None:
        """The colour behind the scene, as metrics.json says; None without one. Raises as `near` does."""
        return self._said("backdrop", lambda colour: tuple(float(colour[i]) for i in range(3)))

    @property
    def fitted_names(self) -> tuple[str, ...]:
        """The users' names of the fitted photos, as metrics.json says; none before. Raises as `near` does."""
        return self._said("train", _names) or ()

    @property
    def held_out_names(self) -> tuple[str, ...]:
        """Of the held-out photos, likewise."""
        return self._said("per_view", lambda scores: _names(list(scores))) or ()

    def _said(self, key: str, parse: Callable[[Any], T]) -> T | None:
        """What metrics.json says under `key`."""
        try:
            value = parse_json(self.metrics.read_bytes()).get(key)
            return None if value is None else parse(value)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
            raise InputError(f"{self.metrics} is damaged ({error}); delete it to go on without.") from error

    def make_way(self) -> "RunFolder":
        """The folder ready for its run: an earlier one that is to be overwritten goes now."""
        if self.awaited is None:
            return self
        with writing(self.path):
            # The result goes first: a removal that is cut short must not leave it behind.
            self.metrics.unlink(missing_ok=True)
            for entry in self.path.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        run = RunFolder(self.path)
        _begin(run, self.awaited)
        return run


def open_run(path: Path, config: Any, *, resume: bool, overwrite: bool) -> RunFolder:
    """The run folder at `path`: made anew, or, to resume, checked to be of the same configuration. What is to
    be overwritten stays until `make_way`: the new photos may prove useless.

    Raises InputError for a folder that holds something else, or that may not be written to."""
    run = RunFolder(path)
    text = yaml.safe_dump(plain(config), sort_keys=False)
    if resume and overwrite:
        raise InputError("--resume goes on and --overwrite begins anew; give one of them.")
    with writing(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; name another --output folder.")
        if resume and run.config.exists():
            _check_same(run, text)
            run.metrics.unlink(missing_ok=True)
            remove_temporaries(path)
            return run
        if path.exists() and not _is_unused(run):
            _check_overwritable(run, overwrite)
            return RunFolder(path, awaited=text)
    _begin(run, text)
    return run


def plain(value: Any) -> Any:
    """A configuration as what YAML and JSON know: dicts, lists, strings, numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def write_json(path: Path, value: Any) -> None:
    """Write what `plain` makes of `value`."""
    with atomic_file(path) as file:
        file.write(json.dumps(plain(value), indent=2).encode())


def _names(value: Any) -> tuple[str, ...]:
    """Names of photos. Raises ValueError for what is none."""
    if not isinstance(value, list) or not all(isinstance(name, str) and Path(name).name for name in value):
        raise ValueError(f"{str(value)[:50]!r} are no names of photos")
    "".join(value).encode()  # halves of surrogate pairs are no text
    return tuple(value)


def _check_same(run: RunFolder, text: str) -> None:
    """A run goes on only as it began: anything else would be a result of no configuration."""
    try:
        before = _flat(yaml.load(run.config.read_bytes(), Loader=LOADER))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{run.config} is damaged; give --overwrite to begin anew.") from error
    changed = sorted(k for k, v in _flat(yaml.safe_load(text)).items() if before.get(k) != v)
    if changed:
        raise InputError(
            f"{run.path} was begun with another {', '.join(changed[:3])}; resume with the settings in "
            f"{run.config}, or give --overwrite to begin anew."
        )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        k: v for key, inner in value.items() for k, v in _flat(inner, f"{prefix}.{key}".strip(".")).items()
    }


def _is_unused(run: RunFolder) -> bool:
    """Whether the folder is empty, or a run's that ended before it had a first result."""
    if not any(run.path.iterdir()):
        return True
    ours = run.config.exists() and run.checkpoint.parent.is_dir()
    return ours and all(entry.is_dir() or entry == run.config for entry in run.path.rglob("*"))


def _begin(run: RunFolder, text: str) -> None:
    """The folders of a run without a result, and its config.yaml."""
    with writing(run.path):
        for folder in (run.path, run.cameras.parent, run.checkpoint.parent):
            folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(run.config) as file:
        file.write(text.encode())


def _check_overwritable(run: RunFolder, overwrite: bool) -> None:
    """Refuses a folder that is no run, whose files are the user's own, and a run that is not to go."""
    if not run.config.exists():
        raise InputError(f"{run.path} is not empty and not a run of recon; choose another --output.")
    if not overwrite:
        raise InputError(
            f"{run.path} exists and is not empty; give --resume to go on, --overwrite to begin anew, or "
            "another --output."
        )
