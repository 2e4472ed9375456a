"""Three photos without cameras in, a scene out: python examples/00_three_photos.py, from the root."""

from pathlib import Path

from recon.config import TrainConfig
from recon.datasets import DataConfig
from recon.methods.table import METHODS
from recon.pipeline import reconstruct
from recon.rendering import pick_device, pick_engine
from recon.run_folder import open_run

photos = DataConfig(Path("examples/photos/input"), only=("yard_1", "yard_3", "yard_5"))
description, parts = METHODS["recon"]
config = TrainConfig(photos, "recon", parts)
run = open_run(Path("runs/three_photos"), config, resume=False, overwrite=True)
device = pick_device("auto")
report = reconstruct(config, run, device, pick_engine("auto", device), watch=lambda event: None)
print(f"{report.gaussians:,} Gaussians in {run.point_cloud}; look at them: recon view {run.path}")
