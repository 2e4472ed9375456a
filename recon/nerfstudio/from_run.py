"""A run of `recon train` as nerfstudio keeps its own: a config.yml and a checkpoint."""

from copy import deepcopy
from pathlib import Path

import torch
from nerfstudio.engine.trainer import TrainerConfig

from recon.errors import InputError
from recon.exporting.source import ANY_SIZE, read_scene
from recon.files import atomic_file, writing
from recon.nerfstudio.data_parser import PhotosConfig
from recon.nerfstudio.method import recon_sparse


def nerfstudio_from_run(run: Path, output_dir: Path = Path("outputs")) -> Path:
    """Writes OUTPUT_DIR/NAME/recon-sparse/run/config.yml, for --load-config of ns-viewer, ns-eval, ns-export
    and ns-render, and returns its path. Photos and cameras stay in the run's folder, which must not move.

    Raises InputError if there is no finished run, or nothing can be written."""
    if not (run / "transforms.json").is_file():
        raise InputError(
            f"{run} is no run of recon train with its cameras; give the folder of a finished one."
        )
    gaussians, _, near = read_scene(run)
    config = config_for_run(run.resolve(), output_dir)
    pipeline = config.pipeline.setup(device="cpu", test_mode="test")
    pipeline.model.show(gaussians, near)
    folder = config.get_checkpoint_dir()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        config.save_config()
    state = {"step": 0, "pipeline": pipeline.state_dict(), "optimizers": {}, "schedulers": {}, "scalers": {}}
    with atomic_file(folder / "step-000000000.ckpt") as file:
        torch.save(state, file)
    return config.get_base_dir() / "config.yml"


def config_for_run(run: Path, output_dir: Path) -> TrainerConfig:
    """What `ns-train recon-sparse --data RUN` would begin with, its photos as large as they are."""
    config = deepcopy(recon_sparse.config)
    config.output_dir, config.experiment_name, config.timestamp = output_dir, run.name, "run"
    config.data = config.pipeline.datamanager.data = run
    config.pipeline.datamanager.dataparser = PhotosConfig(data=run, max_size=ANY_SIZE)
    return config
