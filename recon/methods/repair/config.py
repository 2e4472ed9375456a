"""What repair does, and when in the fit."""

from dataclasses import dataclass, field

from recon.methods.repair.blend import BlendConfig
from recon.methods.repair.diffusion_pipelines import DiffusionConfig
from recon.methods.repair.painter_config import PainterRepairConfig
from recon.methods.repair.pseudo_views import PseudoViewsConfig


@dataclass(frozen=True)
class RepairConfig:
    """Pictures between the photos, repaired and fitted beside them in rounds, and taken back where a photo is
    the worse for it; or repaired once after the fit, when what no photo shows takes their colours."""

    weight: float = 0.3
    """Weight of a repaired picture beside a photo; less the further it lies from the photos, and the less of
    it they show."""
    start: float = 0.5
    """Share of the fit before the first round: there must be something to repair."""
    end: float = 0.9
    """Share of the fit after which only the photos are fitted."""
    rounds: int = 3
    """How often pictures are drawn and repaired anew, each time further outside."""
    every: int = 1
    """Steps between two uses of a repaired picture; the weight grows by the same factor."""
    max_loss: float = 0.05
    """Most dB that a photo may lose against the fit without repair, which rounds make beside theirs from the
    first on; infinite makes none, and takes every repair."""
    pseudo_views: PseudoViewsConfig = field(default_factory=PseudoViewsConfig)
    blend: BlendConfig = field(default_factory=BlendConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    painter: PainterRepairConfig = field(default_factory=PainterRepairConfig)

    def round_at(self, step: int, max_steps: int) -> int | None:
        """The round, from 0, that begins with this step."""
        return next((n for n in range(self.rounds) if step == self._begin(n, max_steps)), None)

    def fits_pictures_at(self, step: int, max_steps: int) -> bool:
        """Whether this step fits a repaired picture beside the photo."""
        begin, end = self._begin(0, max_steps), self._begin(self.rounds, max_steps)
        return begin <= step < end and (step - begin) % self.every == 0

    def _begin(self, number: int, max_steps: int) -> int:
        share = self.start + (self.end - self.start) * number / max(1, self.rounds)
        return round(share * max_steps)
