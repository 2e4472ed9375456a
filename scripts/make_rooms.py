"""Renders the scenes that stereo priors are measured on: rooms, tables and yards that no network has seen.

    pip install 'recon[synthetic]'
    python scripts/make_rooms.py runs/rooms                 all twelve scenes
    python scripts/make_rooms.py runs/rooms hall kitchen    two of them
    python scripts/evaluate_rooms.py runs/rooms             the priors side by side

DRJIT_LIBLLVM_PATH, naming an LLVM library of version 16 or newer, makes it several times faster. A scene that
is there is not rendered again; one appears only when it is whole.

OUTPUT/SCENE/transforms.json   cameras, as nerfstudio writes them
OUTPUT/SCENE/NN.jpg            photos along a bow; every second one, from 00, is meant to be held out:
                               `recon train OUTPUT/SCENE --test-every 2`
OUTPUT/SCENE/depth/NN.npz      z-depth in metres at the pixel centres of each train photo
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from sample_camera import Lens, depth_map, develop, sensor, transforms
from stages.scenes import SCENES, built, cameras

Array = np.ndarray

DEPTH_BITS = 10
"""Bits of the mantissa that are cut from a depth, so that it packs: 2**-14 of it is lost at most."""
MEAN_LUMINANCE = 0.36
"""Mean of a scene after exposure, before the tone curve."""
INTEGRATOR = {
    "type": "aov",
    "aovs": "albedo:albedo,normal:sh_normal",
    "image": {"type": "path", "max_depth": 4},
}


@dataclass(frozen=True)
class Options:
    """Which scenes, and how finely they are rendered."""

    output: tyro.conf.Positional[Path]
    scenes: tyro.conf.Positional[tuple[str, ...]] = tuple(SCENES)
    samples: int = 8
    """Light paths a pixel; what noise they leave is taken away by Open Image Denoise."""
    seed: int = 1
    """Another seed moves things and cameras."""


def main(options: Options) -> None:
    import mitsuba as mi

    mi.set_variant("llvm_ad_rgb" if "DRJIT_LIBLLVM_PATH" in os.environ else "scalar_rgb")
    for name in options.scenes:
        target = options.output / name
        if target.exists():
            continue
        options.output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.output, prefix=f".{name}.") as folder:
            made = Path(folder) / name
            make_scene(made, name, options)
            made.rename(target)
        print(target)


def make_scene(folder: Path, name: str, options: Options) -> None:
    """The photos, cameras and depth of one scene."""
    import mitsuba as mi

    lens, poses = cameras(name, options.seed)
    with tempfile.TemporaryDirectory() as meshes:
        things = built(name, Path(meshes), options.seed)
        scene = mi.load_dict({**things, "integrator": INTEGRATOR})
    (folder / "depth").mkdir(parents=True)
    photos = {f"{number:02d}.jpg": pose for number, pose in enumerate(poses)}
    radiances = [render(scene, pose, lens, options.samples, seed) for seed, pose in enumerate(poses)]
    exposure = MEAN_LUMINANCE / np.mean([np.clip(r, 0, np.percentile(r, 98)).mean() for r in radiances])
    for number, (path, radiance) in enumerate(zip(photos, radiances, strict=True)):
        develop(radiance, float(exposure)).save(folder / path, quality=95, subsampling=0)
        if number % 2:
            depth = packable(depth_map(scene, photos[path], lens))
            np.savez_compressed(folder / "depth" / f"{number:02d}.npz", depth=depth)
    (folder / "transforms.json").write_text(json.dumps(transforms(photos, lens), indent=1) + "\n")


def render(scene: Any, pose: Array, lens: Lens, samples: int, seed: int) -> Array:
    """(h, w, 3) linear radiance, without the noise of few light paths."""
    import mitsuba as mi
    import pyoidn

    # A box, so that the noise of neighbours is independent, as the denoiser expects.
    camera = mi.load_dict(sensor(pose, lens, rfilter="box"))
    layers = np.array(mi.render(scene, sensor=camera, spp=samples, seed=mi.UInt32(seed)), dtype=np.float32)
    radiance, albedo, normal = (np.ascontiguousarray(layers[..., i : i + 3]) for i in (0, 3, 6))
    return pyoidn.denoise(radiance, albedo=albedo.clip(0, 1), normal=normal, hdr=True)


def packable(depth: Array) -> Array:
    """Float32 depth rounded so that its last DEPTH_BITS bits are zero."""
    bits = depth.astype(np.float32).view(np.uint32).astype(np.uint64) + (1 << (DEPTH_BITS - 1))
    return ((bits >> DEPTH_BITS) << DEPTH_BITS).astype(np.uint32).view(np.float32)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
