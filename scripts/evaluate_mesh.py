"""How far the exported mesh of the bundled photos is from their true surface.

    python scripts/make_sample.py --depth-only --only yard --depth runs/depth/yard
    python scripts/evaluate_mesh.py runs/demo --depth runs/depth/yard

The truth is the rendered depth of the train photos. The run solved its cameras in a frame of its own, which
is laid over the true one by the similarity that fits the camera centres best.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
import tyro
from scipy.spatial import KDTree

from recon.exporting.clean import CleanConfig
from recon.exporting.mesh import MeshConfig, make_mesh
from recon.exporting.source import load_source
from recon.exporting.tsdf import surface_points
from recon.rendering import pick_device, pick_engine
from recon.scene import Cameras

SAMPLES = 200_000
"""Points that each surface is sampled with."""
MAX_DISTANCE = 0.05
"""Distances count up to this share of the size: what one surface has and the other lacks counts as this."""


@dataclass(frozen=True)
class Arguments:
    run: tyro.conf.Positional[Path]
    """Run folder of the bundled photos."""
    depth: Path
    """Folder of the rendered depth maps."""
    cameras: Path = Path("examples/photos")
    """Folder with the true cameras.json."""


def main(arguments: Arguments) -> None:
    device = pick_device("cpu")
    source = load_source(arguments.run, CleanConfig(), keep_frame=True)
    assert source.views is not None
    mesh = make_mesh(source, MeshConfig(), pick_engine("auto", device))
    truth = true_points(arguments, source.views.names)
    true_cameras = cameras_of(arguments, source.views.names)
    matrix, _, _ = trimesh.registration.procrustes(
        source.cameras.centres.numpy(), true_cameras.centres.numpy(), reflection=False
    )
    made = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).apply_transform(matrix)
    size = float(np.linalg.norm(np.quantile(truth, 0.99, axis=0) - np.quantile(truth, 0.01, axis=0)))
    sampled = np.asarray(made.sample(SAMPLES, seed=0))
    there, back = (
        np.minimum(KDTree(onto).query(points)[0] / size, MAX_DISTANCE)
        for points, onto in ((sampled, truth), (truth, sampled))
    )
    print(f"{len(mesh.faces):,} triangles; in % of the size of the scene ({size:.2f} true units):")
    print(f"  mesh to truth {100 * there.mean():.2f} mean, {100 * np.median(there):.2f} median")
    print(f"  truth to mesh {100 * back.mean():.2f} mean, {100 * np.median(back):.2f} median")
    print(f"  Chamfer distance {50 * (there.mean() + back.mean()):.2f}")


def cameras_of(arguments: Arguments, names: tuple[str, ...]) -> Cameras:
    """The true cameras of the photos, in the order of `names`."""
    from recon.datasets.files import read_json
    from recon.datasets.nerfstudio import pose_of

    source = arguments.cameras / "cameras.json"
    content = read_json(source)
    poses = {Path(frame["file_path"]).stem: pose_of(frame, source) for frame in content["frames"]}
    world_from_camera = torch.tensor(np.stack([poses[Path(name).stem] for name in names])).float()
    size = (int(content["w"]), int(content["h"]))
    K = torch.tensor([[content["fl_x"], 0, content["cx"]], [0, content["fl_y"], content["cy"]], [0, 0, 1.0]])
    count = len(names)
    return Cameras(torch.linalg.inv(world_from_camera), K.repeat(count, 1, 1), (size,) * count)


def true_points(arguments: Arguments, names: tuple[str, ...]) -> np.ndarray:
    """SAMPLES points of what the photos see, in the true world."""
    depths = tuple(
        torch.from_numpy(np.load(arguments.depth / f"{Path(name).stem}.npz")["depth"]) for name in names
    )
    points = surface_points(depths, cameras_of(arguments, names)).numpy()
    return points[np.random.default_rng(0).permutation(len(points))[:SAMPLES]]


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
