"""What a reconstruction is made of; written to config.yaml in the run folder."""

from dataclasses import dataclass, field

from recon.datasets import DataConfig
from recon.methods.priors.poses_types import PosesConfig
from recon.methods.table import MethodConfig


@dataclass(frozen=True)
class TrainConfig:
    """Which photos, and how."""

    data: DataConfig
    method: str
    """Name of the row of the method table that `parts` began as."""
    parts: MethodConfig
    poses: PosesConfig = field(default_factory=PosesConfig)
