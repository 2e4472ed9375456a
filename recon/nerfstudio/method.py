"""`recon-sparse`: the method as nerfstudio lists it. Apart from the data parser, which nerfstudio imports
while it makes the types that this module needs."""

from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.plugins.types import MethodSpecification

from recon.nerfstudio.pipeline import SparsePipelineConfig
from recon.rendering import pick_device
from recon.trainer import FitConfig

recon_sparse = MethodSpecification(
    TrainerConfig(
        method_name="recon-sparse",
        pipeline=SparsePipelineConfig(),
        max_num_iterations=FitConfig().max_steps,
        steps_per_save=250,
        # Nothing to optimise for nerfstudio: a step of the fit includes its optimisers' steps.
        optimizers={},
        # nerfstudio's default is a GPU, whether there is one or not.
        machine=MachineConfig(device_type=pick_device("auto").type),  # type: ignore[arg-type]
        # nerfstudio's default lets the whole network look.
        viewer=ViewerConfig(websocket_host="127.0.0.1"),
        vis="viewer",
    ),
    "recon: Gaussians from three to nine photos, on a GPU or on two CPU cores.",
)
