"""Whether photos say their focal length: solves flower from few photos or from all, then adjusts the model
anew with the focal length fixed on a grid, without lens distortion and with one radial term.

    python scripts/focal_scan.py --models build/focal --views 3 6 9
    python scripts/focal_scan.py --models build/focal --views 34 --focals 1    # minutes; kept in --models

A row: the focal length over the published one (`free`: adjusted too, and what came out); how far the cost,
sum of log(1 + r^2 / s^2), is above the least of that lens, of which 1.3 would be two standard deviations were
the errors independent; the radial coefficient; the median reprojection error of the points in pixels; against
the published poses the mean rotation and direction errors of the pairs in degrees and the ATE in per cent of
the camera extent. Principal points stay in the middle, as in the published cameras: COLMAP's from all photos
at full size with one radial term, of which the data set then leaves out that term.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
import torch
from bench_poses import photos_of
from pose_sets import PoseSet, flower

from recon.datasets.splits import sparse_split
from recon.methods.priors.poses_accuracy import pose_accuracy
from recon.methods.priors.poses_adjust import LOSS_SCALE
from recon.methods.priors.poses_attempts import guess_lenses
from recon.methods.priors.poses_features import extract, matched_database, pictures_from_files, quiet_colmap
from recon.methods.priors.poses_mapping import best_model, polish
from recon.methods.priors.poses_types import PosesConfig

if TYPE_CHECKING:
    import pycolmap

MODELS = {"SIMPLE_PINHOLE": 0, "SIMPLE_RADIAL": 1}
"""COLMAP's lens models, and how many distortion terms follow f, cx, cy."""
COLUMNS = "photos lens focal cost k1 error rot dir ATE".split()


def solve(chosen: PoseSet, kept: Path) -> None:
    """Writes the model into the folder `kept`; as `solve_cameras` does it, up to its last adjustment."""
    photos = photos_of(chosen, 512)
    pictures = pictures_from_files(photos, PosesConfig().max_size)
    features = extract(pictures, thorough=False)
    lenses = guess_lenses(photos, pictures, range(len(photos)))
    with matched_database(pictures, features, lenses, guided=False, seed=0) as path:
        model = best_model(path, len(pictures), 0)
    assert model is not None and model.num_reg_images() == len(pictures), "flower is solved as a whole"
    polish(model)
    kept.mkdir(parents=True)
    model.write(kept)


def adjusted(kept: Path, lens: str, focal: float | None) -> tuple["pycolmap.Reconstruction", float]:
    """The model in the folder `kept` adjusted with that lens, the focal length free or, in pixels, fixed; and
    its cost."""
    import pycolmap

    model = pycolmap.Reconstruction(kept)
    (camera,) = model.cameras.values()
    start, cx, cy = camera.params
    camera.model = pycolmap.CameraModelId.__members__[lens]
    camera.params = [focal or start, cx, cy, *[0.0] * MODELS[lens]]
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.refine_focal_length = focal is None
    options.refine_principal_point = False
    options.ceres.solver_options.max_num_iterations = 200
    options.ceres.solver_options.function_tolerance = 1e-8
    options.ceres.solver_options.num_threads = 1
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    # Another focal length moves every projection: Cauchy's loss alone would give up good keypoints for lost.
    kinds = pycolmap.LossFunctionType
    summary = None
    for kind, scale in ((kinds.SOFT_L1, 1.0), (kinds.CAUCHY, LOSS_SCALE)):
        options.ceres.loss_function_type, options.ceres.loss_function_scale = kind, scale
        with quiet_colmap():
            summary = pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    model.update_point_3d_errors()
    assert isinstance(summary, pycolmap.CeresBundleAdjustmentSummary)
    # Ceres halves squares, and multiplies the loss by the square of its scale.
    return model, 2 * summary.ceres_summary.final_cost / LOSS_SCALE**2


def row(chosen: PoseSet, kept: Path, lens: str, share: float | None) -> dict[str, object]:
    """One line, the cost as it is; `share`: the focal length over the published one, None if it is free."""
    assert chosen.focal is not None and chosen.poses is not None
    published = chosen.focal * max(iio.improps(chosen.paths[0]).shape)
    model, cost = adjusted(kept, lens, None if share is None else share * published)
    images = [model.images[image_id] for image_id in sorted(model.reg_image_ids())]
    poses = np.stack([np.vstack([image.cam_from_world().matrix(), [0, 0, 0, 1]]) for image in images])
    off = pose_accuracy(torch.from_numpy(poses), torch.from_numpy(chosen.poses), range(len(poses)))
    focal, _, _, *radial = next(iter(model.cameras.values())).params
    return {
        "photos": len(poses),
        "lens": lens,
        "focal": f"free: {focal / published:.3f}" if share is None else f"{share:.2f}",
        "cost": cost,
        "k1": f"{radial[0]:.3f}" if radial else "",
        "error": float(np.median([point.error for point in model.points3D.values()])),
        "rot": off.rotation.mean().item(),
        "dir": off.direction.mean().item(),
        "ATE": 100 * off.ate,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the captures")
    parser.add_argument("--models", type=Path, required=True, help="solved models are kept here")
    parser.add_argument("--views", nargs="+", type=int, default=[3, 6, 9], help="34: all photos")
    parser.add_argument("--focals", nargs="+", type=float, default=[0.97, 1.0])
    options = parser.parse_args()
    group = flower(options.data)
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    for views in options.views:
        every = list(range(len(group.paths)))
        indices = every if views == len(every) else sparse_split(len(every), views, 8)[0]
        chosen = group.select(f"flower/{views}", indices)
        kept = options.models / f"flower-{views}"
        if not kept.exists():
            solve(chosen, kept)
        for lens in MODELS:
            rows = [row(chosen, kept, lens, share) for share in (None, *options.focals)]
            least = min(float(str(line["cost"])) for line in rows)
            for line in rows:
                line["cost"] = float(str(line["cost"])) - least
                cells = (line[column] for column in COLUMNS)
                print("| " + " | ".join(f"{x:.3f}" if isinstance(x, float) else str(x) for x in cells) + " |")


if __name__ == "__main__":
    main()
