"""From files to a `ViewerScene`: a run's folder, or a PLY alone."""

from pathlib import Path

from recon.datasets import DataConfig, load
from recon.errors import InputError
from recon.export import read_ply
from recon.scene import Views
from recon.viewer.scene import THUMBNAIL_PIXELS, ViewerScene


def load_scene(path: Path) -> ViewerScene:
    """The scene at `path`: a folder with point_cloud.ply and, for the photos, transforms.json; or a PLY file.

    Raises InputError for anything else, and for files that are broken.
    """
    if not path.is_dir():
        return ViewerScene.from_gaussians(read_ply(path))
    if not (path / "point_cloud.ply").is_file():
        raise InputError(
            f"{path} holds no point_cloud.ply; give the folder of a finished run, or a PLY file."
        )
    gaussians = read_ply(path / "point_cloud.ply")
    if not (path / "transforms.json").is_file():
        return ViewerScene.from_gaussians(gaussians)
    views = load(DataConfig(path, layout="nerfstudio", max_size=THUMBNAIL_PIXELS)).train
    assert isinstance(views, Views), "a transforms.json gives cameras"
    return ViewerScene.from_views(gaussians, views)
