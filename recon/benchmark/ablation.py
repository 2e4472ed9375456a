"""What each part of a method brings: the settings without it and with it alone, and the table of the results.

A part is a field of `MethodConfig` whose settings hold weights, rates or the like: all 0 switch it off. The
first Gaussians beyond the photos and on untrusted pixels are parts too.
"""

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from recon.errors import InputError
from recon.methods.table import MethodConfig

SWITCHES = ("weight", "rate", "gain", "deviation")
"""Last word of a setting's name that is 0 where its part is off."""
NO_PARTS = ("fit", "repairing")
"""Fields whose weights belong to every method, or whose part has a switch of its own."""
FIRST_GAUSSIANS = {"border": "border", "untrusted_points": "untrusted_share"}
"""Part -> the setting of `initialise` that is 0 where it is off."""

FULL, NONE = "full", "none"
"""Names of the variants with all parts and without any."""


def parts_of(config: MethodConfig) -> tuple[str, ...]:
    """Names of the parts that are on."""
    fields = [field.name for field in dataclasses.fields(config) if field.name not in NO_PARTS]
    regularisers = [name for name in fields if any(_switches(getattr(config, name)).values())]
    first = [part for part, setting in FIRST_GAUSSIANS.items() if getattr(config.initialise, setting)]
    return (*regularisers, *first)


def switched_off(config: MethodConfig, parts: Sequence[str]) -> MethodConfig:
    """`config` without `parts`."""
    for part in parts:
        if part in FIRST_GAUSSIANS:
            config = replace(config, initialise=replace(config.initialise, **{FIRST_GAUSSIANS[part]: 0.0}))
        else:
            settings = getattr(config, part)
            zero = dict.fromkeys(_switches(settings), 0.0)
            config = replace(config, **{part: replace(settings, **zero)})
    return config


def _switches(settings: Any) -> dict[str, float]:
    """The weights and rates directly among the settings of a part; none if it is no part."""
    if not dataclasses.is_dataclass(settings):
        return {}
    names = [field.name for field in dataclasses.fields(settings)]
    return {name: getattr(settings, name) for name in names if name.split("_")[-1] in SWITCHES}


def ablation(config: MethodConfig, parts: Sequence[str] = ()) -> dict[str, MethodConfig]:
    """The variants by name: everything, each of `parts` removed, each alone, nothing.

    `parts` are all that are on if not given. Raises InputError for a part that is off or unknown."""
    there = parts_of(config)
    for part in parts:
        if part not in there:
            raise InputError(f"{part} is no part that is on; choose among {', '.join(there)}.")
    variants = {FULL: config}
    for part in parts or there:
        variants[f"without {part}"] = switched_off(config, [part])
    for part in parts or there:
        variants[f"{part} alone"] = switched_off(config, [other for other in there if other != part])
    return {**variants, NONE: switched_off(config, there)}


@dataclass(frozen=True)
class Cell:
    """One variant on one scene."""

    psnr: float
    spread: float
    """Standard deviation over the seeds; 0 for one."""
    ssim: float
    seeds: int


def cells(results: Sequence[dict]) -> dict[str, dict[str, Cell]]:
    """Variant -> scene -> scores; a seed's score is the mean over its folds, where there are several.

    A result is a dict with variant, scene, fold, seed, psnr and ssim. Where it has them, psnr_masked and
    ssim_masked count instead."""
    runs: dict[tuple[str, str], dict[int, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        runs[result["variant"], result["scene"]][result["seed"]].append(result)
    table: dict[str, dict[str, Cell]] = {}
    for (variant, scene), by_seed in runs.items():
        psnr = [statistics.mean(_score(fold, "psnr") for fold in folds) for folds in by_seed.values()]
        ssim = [statistics.mean(_score(fold, "ssim") for fold in folds) for folds in by_seed.values()]
        spread = statistics.stdev(psnr) if len(psnr) > 1 else 0.0
        cell = Cell(statistics.mean(psnr), spread, statistics.mean(ssim), len(psnr))
        table.setdefault(variant, {})[scene] = cell
    return table


def _score(result: dict, metric: str) -> float:
    masked = result.get(f"{metric}_masked")
    return result[metric] if masked is None else masked


def ablation_table(results: Sequence[dict]) -> str:
    """Markdown: a row a variant, a column a scene, PSNR with its deviation over the seeds; then the mean over
    the scenes and what it is worth against the first row, both only where a row has all scenes."""
    table = cells(results)
    first = next(iter(table.values()))
    scenes = list(dict.fromkeys(scene for row in table.values() for scene in row))
    lines = [
        f"| Variant | {' | '.join(scenes)} | mean PSNR | difference | mean SSIM |",
        "|---" * (len(scenes) + 4) + "|",
    ]
    for variant, row in table.items():
        written = [f"{row[s].psnr:.2f} ± {row[s].spread:.2f}" if s in row else "" for s in scenes]
        summary = ["", "", ""]
        if all(scene in row and scene in first for scene in scenes):
            mean, base = (statistics.mean(r[s].psnr for s in scenes) for r in (row, first))
            ssim = statistics.mean(row[s].ssim for s in scenes)
            summary = [f"{mean:.2f}", "" if row is first else f"{mean - base:+.2f}", f"{ssim:.3f}"]
        lines.append(f"| {' | '.join([variant, *written, *summary])} |")
    return "\n".join(lines) + "\n"
