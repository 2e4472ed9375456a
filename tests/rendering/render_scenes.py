"""Scenes for the engines' tests, each after what it is hard for."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from recon.rendering import Engine, Rendering


@dataclass
class RenderScene:
    """Arguments of an engine, in float64."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    sh: Tensor
    camera_from_world: Tensor
    K: Tensor
    width: int = 50
    height: int = 41
    sh_degree: int = 1
    near: float = 0.01

    def to(self, dtype: torch.dtype, device: str = "cpu") -> "RenderScene":
        """A copy whose tensors are leaves that want a gradient, K apart."""
        copy = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                value = value.detach().to(device, dtype, copy=True).requires_grad_(field.name != "K")
            copy[field.name] = value
        return RenderScene(**copy)

    def draw(self, engine: Engine) -> Rendering:
        return engine(**{field.name: getattr(self, field.name) for field in fields(self)})

    @property
    def leaves(self) -> dict[str, Tensor]:
        """What is differentiated."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: v for name, v in values.items() if isinstance(v, Tensor) and name != "K"}


def random_scene(seed: int = 0, count: int = 200, sh_degree: int = 1, **changes) -> RenderScene:
    """A cloud in front of a turned and shifted camera."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    camera_from_world = torch.eye(4, dtype=torch.float64)
    turn = 0.1 * normal(3, 3)
    camera_from_world[:3, :3] = torch.linalg.matrix_exp(turn - turn.T)
    camera_from_world[:3, 3] = 0.1 * normal(3)
    values = {
        "means": normal(count, 3) + torch.tensor([0, 0, 4.0]),
        "quats": normal(count, 4),
        "scales": 0.01 + 0.3 * torch.rand(count, 3, generator=generator, dtype=torch.float64),
        "opacities": torch.rand(count, generator=generator, dtype=torch.float64),
        "sh": 0.3 * normal(count, 16, 3),
        "camera_from_world": camera_from_world,
        "K": torch.tensor([[50, 0, 24], [0, 55, 20], [0, 0, 1]], dtype=torch.float64),
    }
    return RenderScene(**values | {"sh_degree": sh_degree} | changes)


def behind_the_camera() -> RenderScene:
    """Half of the Gaussians behind it or nearer than `near`."""
    scene = random_scene(1, near=0.5)
    scene.means[::2, 2] -= 4
    return scene


def frame_edge() -> RenderScene:
    """Means on and far beyond the border, where the linearisation stays at the margin."""
    scene = random_scene(2)
    scene.means[:, :2] *= 4
    scene.scales *= 4
    return scene


def needles() -> RenderScene:
    """A hundred times as long as thick, slanted through many tiles."""
    scene = random_scene(
        3, width=90, height=70, K=torch.tensor([[90.0, 0, 45], [0, 90, 35], [0, 0, 1]]).double()
    )
    scene.scales[:] = torch.tensor([0.5, 0.005, 0.005])
    return scene


def opaque_stack() -> RenderScene:
    """Rays that end early, with alphas at the clamp."""
    scene = random_scene(4, count=300)
    scene.opacities.fill_(1.0)
    scene.means[:, :2] *= 0.5
    return scene


SCENES = {
    "a random cloud": random_scene,
    "behind the camera": behind_the_camera,
    "the edge of the frame": frame_edge,
    "needles": needles,
    "an opaque stack": opaque_stack,
    "harmonics of degree 0": lambda: random_scene(5, sh_degree=0),
    "harmonics of degree 2": lambda: random_scene(6, sh_degree=2),
    "harmonics of degree 3": lambda: random_scene(7, sh_degree=3),
    "no coefficient to spare": lambda: random_scene(8, sh=0.3 * torch.ones(200, 4, 3, dtype=torch.float64)),
    "a single pixel": lambda: random_scene(9, width=1, height=1),
    "one tile exactly": lambda: random_scene(10, width=16, height=32),
    "a thin strip": lambda: random_scene(11, width=131, height=3),
    "one Gaussian": lambda: random_scene(12, count=1),
    "no Gaussian": lambda: random_scene(13, count=0),
}


def gradients(scene: RenderScene, engine: Engine) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Everything the engine returns, and the gradients of a fixed random function of it."""
    rendering = scene.draw(engine)
    rendering.means2d.retain_grad()
    generator = torch.Generator().manual_seed(0)
    loss = rendering.rgb.new_zeros(())
    images = {"rgb": rendering.rgb, "depth": rendering.depth, "alpha": rendering.alpha}
    for image in images.values():
        weight = torch.randn(image.shape, generator=generator, dtype=torch.float64)
        loss = loss + (weight.to(image) * image).sum()
    loss.backward()
    drawn = (rendering.radii > 0).all(-1)
    means2d = torch.where(drawn[:, None], rendering.means2d, 0.0)  # without a meaning where nothing is drawn
    values = images | {"radii": rendering.radii, "means2d": means2d}
    found = {f"d {name}": leaf.grad for name, leaf in scene.leaves.items()}
    found["d camera_from_world"] = found["d camera_from_world"][:3]  # the last row is no parameter of a pose
    return {name: v.detach() for name, v in values.items()}, found | {"d means2d": rendering.means2d.grad}
