"""What `recon train` does: a run folder with a report and checkpoints, which goes on where it was stopped.
python examples/04_run_folder.py, from the root, after 00_three_photos.py."""

from pathlib import Path

from recon.config import TrainConfig
from recon.datasets import DataConfig
from recon.methods.table import METHODS
from recon.pipeline import reconstruct
from recon.rendering import pick_device, pick_engine
from recon.run_folder import open_run

photos = DataConfig(Path("runs/three_photos/cameras"))
description, parts = METHODS["recon"]
config = TrainConfig(photos, "recon", parts)
run = open_run(Path("runs/run_folder"), config, resume=False, overwrite=True)
device = pick_device("auto")
report = reconstruct(config, run, device, pick_engine("auto", device), watch=lambda event: None)
print(f"{report.gaussians:,} Gaussians in {run.point_cloud}; look at them: recon view {run.path}")
