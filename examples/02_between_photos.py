"""Pictures from where nobody stood: the way from photo to photo, with its depth in thousandths of the world's
unit, as PNG files.
python examples/02_between_photos.py, from the root, after 00_three_photos.py."""

from pathlib import Path

import numpy as np
from PIL import Image

import recon
from recon.exporting.paths import between_path

result = recon.fit(recon.load("runs/three_photos/cameras"))
cameras = between_path(result.views.cameras, frames=8, max_size=256)
folder = Path("runs/between_photos")
folder.mkdir(parents=True, exist_ok=True)
for index in range(len(cameras)):
    drawn = recon.render(result, cameras, index)
    rgb = (drawn.rgb.clamp(0, 1) * 255).byte().cpu().numpy()  # (h, w, 3)
    depth = (drawn.depth * 1000).clamp(0, 65535).cpu().numpy()  # (h, w)
    Image.fromarray(rgb).save(folder / f"{index}.png")
    Image.fromarray(depth.astype(np.uint16)).save(folder / f"{index}_depth.png")
print(f"{len(cameras)} pictures in {folder}")
