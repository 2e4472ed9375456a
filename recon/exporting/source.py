"""What is exported: the Gaussians of a run or of a PLY, cleaned, in the frame of the exports."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.datasets import DataConfig, load
from recon.edits import Edits, kept, read_edits
from recon.errors import InputError
from recon.exporting.clean import CleanConfig, clean
from recon.exporting.frame import export_from_world, move_cameras, move_gaussians
from recon.exporting.ply import finite, read_ply
from recon.gaussians import Gaussians
from recon.methods.priors.cache import load_trust
from recon.methods.priors.stereo_types import StereoPrior
from recon.run_folder import RunFolder
from recon.scene import Cameras, Views

ANY_SIZE = 1 << 20
"""The photos of a run are read as large as they are."""


@dataclass(frozen=True)
class Source:
    """A scene that is about to leave the program."""

    gaussians: Gaussians
    views: Views | None
    """The photos that were fitted; None for a PLY alone."""
    near: float
    """Distance from a camera, world units, within which nothing is drawn."""
    removed: dict[str, int]
    """Gaussians left out, by reason."""
    export_from_world: Float[Tensor, "4 4"] = field(default_factory=lambda: torch.eye(4))
    """How the scene was moved to leave."""
    stereo: Path | StereoPrior | None = None
    """The stereo prior, or its file; None for a PLY alone."""

    @property
    def cameras(self) -> Cameras:
        """Of the photos; none for a PLY alone."""
        return self.views.cameras if self.views is not None else no_cameras()

    def trusted(self) -> tuple[Bool[Tensor, "_h _w"], ...] | None:
        """The pixels of each photo at which other photos confirm a depth; None where no stereo tells."""
        if self.views is None or self.stereo is None:
            return None
        if isinstance(self.stereo, StereoPrior):
            return self.stereo.consistent
        if not self.stereo.is_file():
            return None
        trusted = load_trust(self.stereo)
        same = [mask.shape for mask in trusted] == [image.shape[:2] for image in self.views.images]
        return trusted if same else None

    def to(self, device: torch.device) -> "Source":
        """The same scene on `device`."""
        views = self.views if self.views is None else self.views.to(device)
        return replace(self, gaussians=self.gaussians.to(device), views=views)


def load_source(path: Path, config: CleanConfig, keep_frame: bool = False, keep_all: bool = False) -> Source:
    """The scene of a run folder or a PLY file: as the viewer's edits leave it and cleaned, unless `keep_all`;
    moved unless `keep_frame`.

    Raises InputError if there is no scene at `path`, or none is left."""
    gaussians, views, near = read_scene(path)
    stereo = RunFolder(path).stereo if views is not None else None
    edits = read_edits(path if path.is_dir() else None)
    return make_source(Source(gaussians, views, near, {}, stereo=stereo), config, edits, keep_frame, keep_all)


def make_source(
    scene: Source, config: CleanConfig, edits: Edits, keep_frame: bool = False, keep_all: bool = False
) -> Source:
    """The scene without what the edits and `config` leave out, in the frame of the exports; as it is there,
    if `keep_frame` and `keep_all`.

    Raises InputError if no Gaussian is left."""
    views, removed = scene.views, {}
    gaussians = finite(scene.gaussians)
    if not keep_all:
        keep = kept(gaussians, edits)
        gaussians, removed = clean(gaussians.select(keep), scene.cameras, scene.near, config)
        removed["cut away in the viewer"] = int((~keep).sum())
    if not len(gaussians):
        raise InputError("The scene has no Gaussian that could be drawn; nothing is left to export.")
    rigid = torch.eye(4)
    if not keep_frame:
        rigid = export_from_world(gaussians, scene.cameras)
        gaussians = move_gaussians(gaussians, rigid)
        views = views and replace(views, cameras=move_cameras(views.cameras, rigid))
    return Source(gaussians, views, scene.near, removed, rigid, scene.stereo)


def read_scene(path: Path) -> tuple[Gaussians, Views | None, float]:
    """Gaussians, photos and near plane as they lie on disk; a PLY has no photos and no near plane."""
    if not path.is_dir():
        return read_ply(path), None, 0.0
    run = RunFolder(path)
    if not run.point_cloud.is_file():
        raise InputError(f"{path} holds no point_cloud.ply; give the folder of a finished run, or a PLY.")
    gaussians = read_ply(run.point_cloud).before(run.backdrop)
    if not (path / "transforms.json").is_file():
        return gaussians, None, 0.0
    views = load(DataConfig(path, layout="nerfstudio", max_size=ANY_SIZE)).train
    assert isinstance(views, Views), "a transforms.json gives cameras"
    return gaussians, views, run.near or 0.0


def no_cameras() -> Cameras:
    """Cameras of a scene without photos."""
    return Cameras(torch.zeros(0, 4, 4), torch.zeros(0, 3, 3), ())
