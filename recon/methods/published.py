"""What the papers behind the methods report, to be read beside what `recon bench` measures here."""

from typing import NamedTuple


class Published(NamedTuple):
    """One paper's own account of its method."""

    paper: str
    llff3: str
    """LLFF at 504x378, three train views, means over the eight scenes: PSNR / SSIM / LPIPS (VGG)."""
    points: str
    """What its Gaussians start from, which decides more of the number than the method does."""


PAPER = "paper; PSNR / SSIM / LPIPS there on LLFF, 3 views; points"
"""The heading of all three."""

PUBLISHED = {
    "3dgs": Published(
        "3DGS, Kerbl et al. 2023", "19.22 / .649 / .229", "COLMAP-MVS points; measured by CoR-GS"
    ),
    "3dgs-sfm": Published(
        "3DGS, Kerbl et al. 2023",
        "15.52 / .405 / .408",
        "sparse SfM points of the three photos; measured by Binocular3DGS",
    ),
    "dropgaussian": Published(
        "DropGaussian, Park et al., CVPR 2025", "20.76 / .713 / .200", "COLMAP-MVS points; best of five runs"
    ),
    "binocular": Published(
        "Binocular3DGS, Han et al., NeurIPS 2024", "21.44 / .751 / .168", "matches of a network, PDCNet+"
    ),
    "sparsenerf": Published(
        "SparseNeRF, Wang et al., ICCV 2023", "19.86 / .624 / .328", "no points: a radiance field"
    ),
    "fsgs": Published("FSGS, Zhu et al., ECCV 2024", "20.31 / .652 / .288", "COLMAP-MVS points"),
    "cor-gs": Published("CoR-GS, Zhang et al., ECCV 2024", "20.45 / .712 / .196", "COLMAP-MVS points"),
    "coherent": Published(
        "CoherentGS, Paliwal et al., ECCV 2024",
        "20.33 / .725 / .180",
        "depth and flow of networks; a protocol of its own",
    ),
}
"""By name of the method."""
