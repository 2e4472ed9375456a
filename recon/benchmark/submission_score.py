"""Anybody's submission measured against photos that lie here: local scores, not the leaderboard's."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.table import Table

from recon import datasets
from recon.benchmark.protocols import SPARE
from recon.benchmark.spare import PARTS, Entry
from recon.benchmark.submission import picture_names
from recon.errors import InputError
from recon.metrics import Distance, MetricsConfig, Scores, compare, mean_scores


def score_zip(
    path: Path,
    data: Path,
    entries: Sequence[Entry],
    config: MetricsConfig,
    lpips: Distance | None,
    device: torch.device,
) -> dict[str, dict[str, Scores]]:
    """By scene of the zip, then by picture. The zip has passed `check_zip`.

    Raises InputError: a scene whose photos are not there."""
    scores = {}
    with zipfile.ZipFile(path) as archive:
        there = set(archive.namelist())
        for entry in (entry for entry in entries if there & set(picture_names(entry))):
            folder = SPARE.folder(data, entry.scene)
            if folder is None:
                raise InputError(f"{data} holds no photos of {entry.scene} to compare with; drop its scores.")
            ids = {"train_ids": entry.ids.train, "test_ids": entry.ids.test}
            photos = datasets.load(replace(SPARE.reading, path=folder, **ids)).test.to(device)
            scores[entry.scene] = {}
            for index, name in enumerate(photos.names):
                rgb = _picture(archive, f"{entry.scene}/{name}").to(device)
                one = compare(rgb, photos.images[index], photos.masks[index], config, lpips)
                scores[entry.scene][name] = one
    return scores


def score_table(scores: dict[str, dict[str, Scores]], entries: Sequence[Entry]) -> Table:
    """A row a scene and, for each part, the mean over its scenes; the parts are never mixed."""
    columns = ("scene", "part", "PSNR-M", "SSIM-M", "LPIPS-M", "PSNR", "SSIM", "LPIPS")
    table = Table(*columns, title="Local scores", caption=SPARE.label)
    parts = {entry.scene: entry.dataset for entry in entries}
    for part in PARTS:
        means = {s: mean_scores(list(by.values())) for s, by in scores.items() if parts[s] == part}
        for scene, mean in means.items():
            table.add_row(scene, part, *_cells(mean))
        if len(means) > 1:
            table.add_row(f"mean of {len(means)}", part, *_cells(mean_scores(list(means.values()))))
            table.add_section()
    return table


def _picture(archive: zipfile.ZipFile, name: str) -> torch.Tensor:
    with Image.open(BytesIO(archive.read(name))) as picture:
        return torch.from_numpy(np.asarray(picture.convert("RGB"), dtype=np.float32) / 255)


def _cells(s: Scores) -> list[str]:
    values = (s.psnr_masked, s.ssim_masked, s.lpips_masked, s.psnr, s.ssim, s.lpips)
    digits = (2, 3, 3, 2, 3, 3)
    return ["-" if v is None else f"{v:.{d}f}" for v, d in zip(values, digits, strict=True)]
