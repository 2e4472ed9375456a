"""Where a photo says little: what a stereo prior is measured on apart."""

import torch
from jaxtyping import Float
from torch import Tensor

WEAK_CONTRAST = 4 / 255
"""Standard deviation of the grey values around a pixel, below which its texture is weak."""
WEAK_WINDOW = 9


def weak_texture(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """1 where the surroundings are nearly of one grey."""
    grey = image.mean(dim=1, keepdim=True)
    window = (WEAK_WINDOW, 1, WEAK_WINDOW // 2)
    mean = torch.nn.functional.avg_pool2d(grey, *window, count_include_pad=False)
    square = torch.nn.functional.avg_pool2d(grey * grey, *window, count_include_pad=False)
    return ((square - mean * mean).clamp_min(0).sqrt() < WEAK_CONTRAST).float()
