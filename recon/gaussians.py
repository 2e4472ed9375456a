"""The scene's Gaussians: raw parameters that are optimised, activated values that are drawn."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

SH_C0 = 0.28209479177387814
"""Value of the constant spherical harmonic, 1 / (2 sqrt(pi))."""


class Gaussians(nn.Module):
    """`g` anisotropic Gaussians with colour as spherical harmonics.

    Raw parameters carry other names than the values they stand for: `log_scales`, `logit_opacities`.
    `quats` are wxyz and need not be of unit length. `sh0` is (g, 1, 3), `shN` (g, k, 3) with
    k = (degree + 1)^2 - 1. `backdrop` is the colour behind all of them in the photos; None without one.
    `exposures` are what photos of these had, where they differed (`recon.exposure.find_exposures`).
    """

    def __init__(
        self,
        means: Float[Tensor, "g 3"],
        quats: Float[Tensor, "g 4"],
        log_scales: Float[Tensor, "g 3"],
        logit_opacities: Float[Tensor, " g"],
        sh0: Float[Tensor, "g 1 3"],
        shN: Float[Tensor, "g k 3"],
        backdrop: Float[Tensor, "3"] | None = None,
        exposures: Float[Tensor, "n 6"] | None = None,
    ) -> None:
        super().__init__()
        self.means = nn.Parameter(means)
        self.quats = nn.Parameter(quats)
        self.log_scales = nn.Parameter(log_scales)
        self.logit_opacities = nn.Parameter(logit_opacities)
        self.sh0 = nn.Parameter(sh0)
        self.shN = nn.Parameter(shN)
        self.backdrop: Float[Tensor, 3] | None
        self.register_buffer("backdrop", backdrop)
        self.exposures: Float[Tensor, "n 6"] | None
        self.register_buffer("exposures", exposures)

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> Float[Tensor, "g 3"]:
        """Standard deviations along the principal axes, world units."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Float[Tensor, " g"]:
        """In (0, 1)."""
        return self.logit_opacities.sigmoid()

    @property
    def sh(self) -> Float[Tensor, "g k 3"]:
        """All colour coefficients, constant term first."""
        return torch.cat([self.sh0, self.shN], dim=1)

    @property
    def sh_degree(self) -> int:
        """Highest degree of the stored spherical harmonics."""
        return round((1 + self.shN.shape[1]) ** 0.5) - 1

    def before(self, backdrop: tuple[float, ...] | None) -> "Gaussians":
        """These, before a backdrop of that colour."""
        self.backdrop = None if backdrop is None else self.means.detach().new_tensor(backdrop)
        return self

    def select(self, keep: Bool[Tensor, " g"]) -> "Gaussians":
        """The Gaussians where `keep` is true, as new parameters."""
        kept = {name: value.detach()[keep] for name, value in self.named_parameters()}
        return Gaussians(**kept, backdrop=self.backdrop, exposures=self.exposures)

    def snapshot(self) -> "Gaussians":
        """A copy that no later step of a fit changes; the thread that takes the steps makes it."""
        copies = {name: value.detach().clone() for name, value in self.named_parameters()}
        return Gaussians(**copies, backdrop=self.backdrop, exposures=self.exposures)


def sh0_from_rgb(rgb: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Constant coefficient that draws `rgb` from every side (3DGS: colour = C0 sh0 + 1/2)."""
    return (rgb - 0.5) / SH_C0


def rgb_from_sh0(sh0: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """Inverse of `sh0_from_rgb`."""
    return sh0 * SH_C0 + 0.5
