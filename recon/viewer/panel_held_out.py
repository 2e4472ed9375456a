"""A held-out photo against the scene: what it shows from there, and the PSNR, at the push of a button."""

import torch

from recon.metrics import psnr, quantise
from recon.rendering.ssim import ssim
from recon.viewer.client import Client
from recon.viewer.scene import small_copy, to_bytes

PANEL_PIXELS = 640
"""The longer side of the two pictures in the panel."""


class HeldOutPanel:
    """Measures the Gaussians of this moment on a photo that the fit never saw."""

    def __init__(self, client: Client) -> None:
        self._client = client
        assert client.stage.scene.held_out is not None, "the panel is for held-out photos"
        self._views = client.stage.scene.held_out
        gui = client.handle.gui
        with gui.add_folder("Held-out photos", expand_by_default=False):
            self._name = gui.add_dropdown("Photo", self._views.names)
            compare = gui.add_button(
                "Compare", hint="The photo was not fitted: how close does the scene come?"
            )
            compare.on_click(lambda _: self.compare())
            self._result = gui.add_markdown("")
            self._picture = gui.add_image(
                to_bytes(torch.zeros(1, 2, 3)), label="Scene, then photo", visible=False
            )

    def compare(self) -> None:
        """Shows PSNR and SSIM, and both pictures."""
        index = self._views.names.index(self._name.value)
        stage = self._client.stage
        camera = self._views.cameras.select([index])
        rendering, _ = stage.draw("Colour", stage.shown, camera, stage.scene.near)
        rgb = quantise(rendering.rgb)
        photo = self._views.images[index].to(rgb)
        score = psnr(rgb, photo)
        with self._client.handle.atomic():
            self._picture.image = small_copy(torch.cat([rgb, photo], dim=0), PANEL_PIXELS)
            self._picture.visible = True
            self._result.content = f"PSNR **{score:.2f} dB**, SSIM {float(ssim(rgb, photo).mean()):.3f}"
