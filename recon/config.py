"""What a reconstruction is made of; written to config.yaml in the run folder."""

from dataclasses import dataclass, field

from recon.alignment import AlignmentConfig
from recon.datasets import DataConfig
from recon.methods.camera_refinement import CameraRefinementConfig
from recon.methods.priors.poses_types import PosesConfig
from recon.methods.priors.single_view import DepthConfig
from recon.methods.table import MethodConfig


@dataclass(frozen=True)
class TrainConfig:
    """Which photos, and how."""

    data: DataConfig
    method: str
    """Name of the row of the method table that `parts` began as."""
    parts: MethodConfig
    poses: PosesConfig = field(default_factory=PosesConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    refinement: CameraRefinementConfig = field(default_factory=CameraRefinementConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
