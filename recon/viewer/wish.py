"""What a window asks to see."""

from dataclasses import dataclass

MAX_SPLATS = 500_000
"""Drawn at first; a laptop's own graphics still turns this many."""
Colour = tuple[int, int, int]
"""Red, green and blue, to 255."""


@dataclass
class Wish:
    """What a window asks to see; its panels change it."""

    mode: str = "Colour"
    background: Colour = (0, 0, 0)
    """Of what no Gaussian covers."""
    follow: bool = True
    """Colours follow the direction that the eye looks from."""
    on_server: bool = False
    max_splats: int = MAX_SPLATS
    photo_share: float = 0.0
    """Of the photo over the picture, while the eye stands where it was taken."""
