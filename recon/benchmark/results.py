"""One JSON a task, with pictures beside it, and what is made of many."""

import json
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recon.errors import InputError
from recon.files import atomic_file, parse_json
from recon.pipeline import Report
from recon.run_folder import plain, write_json


@dataclass(frozen=True)
class Task:
    """One fit that is measured."""

    protocol: str
    scene: str
    views: int
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.scene}, {self.views} views, {self.method}, seed {self.seed}"

    def file(self, folder: Path) -> Path:
        name = f"{self.method}-seed{self.seed}.json"
        return folder / self.protocol / self.scene / f"{self.views}-views" / name

    def pictures(self, folder: Path) -> Path:
        """A folder beside the file, of the same name."""
        return self.file(folder).with_suffix("")


class Run(NamedTuple):
    """Results that differ in nothing but the seed."""

    method: str
    commit: str
    engine: str
    machine: str
    settings: str
    """All that was set, as JSON."""

    def __str__(self) -> str:
        return f"commit {self.commit}, engine {self.engine}, {self.machine}"


def run_of(result: dict) -> Run:
    """Which run a result belongs to."""
    fit = {key: value for key, value in result["config"].get("fit", {}).items() if key != "seed"}
    settings = {
        "metrics": result["metrics"],
        "config": {**result["config"], "fit": fit},
        "depth": result.get("depth"),
    }
    named = {key: result[key] for key in ("method", "commit", "engine", "machine")}
    return Run(**named, settings=json.dumps(settings, sort_keys=True))


@dataclass(frozen=True)
class Summary:
    """Several seeds of one method on one scene."""

    psnr: float
    psnr_spread: float
    """Standard deviation over the seeds; 0 for one."""
    ssim: float
    lpips: float | None
    psnr_masked: float | None
    psnr_masked_spread: float
    ssim_masked: float | None
    lpips_masked: float | None
    average_error: float | None
    """RegNeRF's, of the object where a protocol measures it."""
    seconds: float
    """Median of a run: stereo and fit."""
    gaussians: int
    peak_memory_gb: float
    seeds: int


def write_result(path: Path, task: Task, report: Report, decided: dict[str, Any]) -> None:
    """The result with all that decides it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**plain(task), **plain(report), **decided})


def write_pictures(folder: Path, pictures: dict[str, bytes]) -> None:
    """The pictures of a result; those of an earlier one go."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in pictures.items():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / name) as file:
            file.write(content)


def read_result(path: Path) -> dict:
    """A result as written. Raises InputError for a damaged file."""
    try:
        result = parse_json(path.read_bytes())
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is no result ({error}); delete it to have it measured again.") from error
    if not isinstance(result, dict) or not {"psnr", "config", "metrics"} <= result.keys():
        raise InputError(f"{path} is no result of recon; delete it to have it measured again.")
    return result


def summarise(results: list[dict]) -> Summary:
    """Means over the seeds; the median of the times."""
    return Summary(
        psnr=statistics.mean(r["psnr"] for r in results),
        psnr_spread=_spread(results, "psnr"),
        ssim=statistics.mean(r["ssim"] for r in results),
        lpips=_mean(results, "lpips"),
        psnr_masked=_mean(results, "psnr_masked"),
        psnr_masked_spread=_spread(results, "psnr_masked"),
        ssim_masked=_mean(results, "ssim_masked"),
        lpips_masked=_mean(results, "lpips_masked"),
        average_error=_mean([{"error": _average_error(r)} for r in results], "error"),
        seconds=statistics.median(r["seconds"]["stereo"] + r["seconds"]["fit"] for r in results),
        gaussians=round(statistics.mean(r["gaussians"] for r in results)),
        peak_memory_gb=max(r["peak_memory_gb"] for r in results),
        seeds=len(results),
    )


def average_error(psnr: float, ssim: float, lpips: float) -> float:
    """Geometric mean of a picture's mean squared error, sqrt(1 - SSIM) and LPIPS: RegNeRF's summary."""
    return (10 ** (-psnr / 10) * (1 - ssim) ** 0.5 * lpips) ** (1 / 3)


def _average_error(result: dict) -> float | None:
    """The mean over the views; None where one lacks a score."""
    masked = "" if result["metrics"].get("masks", "none") == "none" else "_masked"
    views = [
        [view.get(f"{m}{masked}") for m in ("psnr", "ssim", "lpips")] for view in result["per_view"].values()
    ]
    if not views or any(None in view for view in views):
        return None
    return statistics.mean(average_error(*view) for view in views)


def _mean(results: list[dict], key: str) -> float | None:
    """None unless every result has it."""
    values = [r[key] for r in results if r.get(key) is not None]
    return statistics.mean(values) if len(values) == len(results) else None


def _spread(results: list[dict], key: str) -> float:
    """Standard deviation; 0 for one result, or where one lacks the value."""
    values = [r[key] for r in results if r.get(key) is not None]
    return statistics.stdev(values) if 1 < len(values) == len(results) else 0.0
