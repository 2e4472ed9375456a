"""The pieces that every branch is built of. Group normalisation: no statistics of a batch, so that one photo
gives what it gave in training."""

from jaxtyping import Float
from torch import Tensor, nn

CHANNELS_A_GROUP = 8


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // CHANNELS_A_GROUP), channels)


def conv(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """Convolution, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), norm(outputs), nn.ReLU()
    )


def conv3d(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """The same over a volume."""
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False), norm(outputs), nn.ReLU())


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), norm(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.last = nn.ReLU()

    def forward(self, x: Float[Tensor, "b _c _h _w"]) -> Float[Tensor, "b _d _k _l"]:
        return self.last(self.second(self.first(x)) + self.shortcut(x))
