"""A photo is held out, and two methods are measured on it. The photos and their cameras are those that
00_three_photos.py exported: python examples/01_measure.py, from the root, after it."""

from dataclasses import replace

import recon
from recon.methods.table import METHODS
from recon.metrics import mean_scores

scene = recon.load("runs/three_photos/cameras", test_every=3)  # holds out the first photo
description, recon_values = METHODS["recon"]
methods = {
    "recon": recon_values,
    "recon, 5 % dropout": replace(recon_values, dropout=replace(recon_values.dropout, max_rate=0.05)),
}
for name, values in methods.items():
    result = recon.fit(scene, values, seed=0)
    mean = mean_scores(list(result.scores().values()))
    print(f"{name}: {mean.psnr:.2f} dB, SSIM {mean.ssim:.3f}, {len(result.gaussians):,} Gaussians")
