"""One JSON a task, and what is made of many."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from recon.errors import InputError
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

    def file(self, folder: Path) -> Path:
        name = f"{self.method}-seed{self.seed}.json"
        return folder / self.protocol / self.scene / f"{self.views}-views" / name


@dataclass(frozen=True)
class Summary:
    """Several seeds of one method on one scene."""

    psnr: float
    psnr_spread: float
    """Standard deviation over the seeds; 0 for one."""
    ssim: float
    lpips: float | None
    seconds: float
    """Median of a run: stereo and fit."""
    gaussians: int
    peak_memory_gb: float
    seeds: int


def write_result(path: Path, task: Task, report: Report, lpips_net: str, config: object) -> None:
    """The result with all that decides it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = {"lpips_net": lpips_net, "ssim_window": "11x11 Gaussian, sigma 1.5", "quantised": True}
    write_json(path, {**plain(task), **plain(report), "metrics": measured, "config": config})


def read_result(path: Path) -> dict:
    """A result as written. Raises InputError for a damaged file."""
    try:
        result = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is no result ({error}); delete it to have it measured again.") from error
    if not isinstance(result, dict) or not {"psnr", "config", "metrics"} <= result.keys():
        raise InputError(f"{path} is no result of recon; delete it to have it measured again.")
    return result


def summarise(results: list[dict]) -> Summary:
    """Means over the seeds; the median of the times."""
    psnr = [r["psnr"] for r in results]
    lpips = [r["lpips"] for r in results]
    return Summary(
        psnr=statistics.mean(psnr),
        psnr_spread=statistics.stdev(psnr) if len(psnr) > 1 else 0.0,
        ssim=statistics.mean(r["ssim"] for r in results),
        lpips=None if None in lpips else statistics.mean(lpips),
        seconds=statistics.median(r["seconds"]["stereo"] + r["seconds"]["fit"] for r in results),
        gaussians=round(statistics.mean(r["gaussians"] for r in results)),
        peak_memory_gb=max(r["peak_memory_gb"] for r in results),
        seeds=len(results),
    )
