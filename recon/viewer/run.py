"""From files to a `ViewerScene`: a run's folder, or a PLY alone."""

from dataclasses import replace
from pathlib import Path

import torch

from recon.datasets import DataConfig, nerfstudio
from recon.errors import InputError
from recon.exporting import read_ply
from recon.exporting.cameras import given_names
from recon.run_folder import RunFolder
from recon.scene import Views
from recon.viewer.scene import NEAR, PHOTO_PIXELS, ViewerScene

ANY_SIZE = 1 << 20
"""Held-out photos are measured at the size they were written in."""


def load_scene(path: Path, device: torch.device | str = "cpu") -> ViewerScene:
    """The scene at `path`, its Gaussians on `device`: a folder with point_cloud.ply and, for the photos,
    transforms.json; or a PLY file.

    Raises InputError for anything else, and for files that are broken.
    """
    if not path.is_dir():
        return ViewerScene.from_gaussians(read_ply(path).to(device))
    run = RunFolder(path)
    if not run.point_cloud.is_file():
        raise InputError(
            f"{path} holds no point_cloud.ply; give the folder of a finished run, or a PLY file."
        )
    gaussians = read_ply(run.point_cloud).before(run.backdrop).to(device)
    if not (path / "transforms.json").is_file():
        return ViewerScene.from_gaussians(gaussians)
    near = NEAR if run.near is None else run.near
    fitted = _views(path, PHOTO_PIXELS, run.fitted_names)
    held_out = None
    if (run.held_out / "transforms.json").is_file():
        held_out = _views(run.held_out, ANY_SIZE, run.held_out_names)
    return ViewerScene.from_views(gaussians, fitted, held_out, near, path)


def runs_beside(path: Path) -> list[Path]:
    """The finished runs that lie in the same folder as this one, this one included, by name."""
    folders = path.resolve().parent.iterdir()
    return sorted(folder for folder in folders if RunFolder(folder).point_cloud.is_file())


def _views(folder: Path, max_size: int, given: tuple[str, ...]) -> Views:
    """Of a folder as `write_views` makes it, were it a single photo, under the names that were `given`."""
    views = nerfstudio.read(DataConfig(folder, layout="nerfstudio", max_size=max_size)).train
    assert isinstance(views, Views), "a transforms.json gives cameras"
    return replace(views, names=given_names(views.names, given))
