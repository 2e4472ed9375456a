"""The methods by name: each is a set of values for the same parts.

Those of the literature are told apart by their regularisers alone: all but `3dgs-sfm` start from the points
of this package's stereo, where the papers have COLMAP's, dense matches or a network's depth, and take the
same number of steps. What their papers report is in `published`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from gsplat.strategy import DefaultStrategy

from recon.densify import GrowAndPrune, Prune, PruneConfig, Strategy
from recon.densify_budget import Budget, BudgetConfig
from recon.errors import InputError
from recon.exposure import ExposureConfig
from recon.initialise import InitialiseConfig
from recon.methods.co_regularisation import CoRegularisationConfig, PairedFit
from recon.methods.coherence import Coherence, CoherenceConfig
from recon.methods.confidence_rates import ConfidenceRates, ConfidenceRatesConfig
from recon.methods.depth_correlation import DepthCorrelation, DepthCorrelationConfig
from recon.methods.depth_ranking import DepthRanking, DepthRankingConfig
from recon.methods.dropout import Dropout, DropoutConfig
from recon.methods.feature_consistency import FeatureConsistency, FeatureConsistencyConfig
from recon.methods.opacity_decay import OpacityDecay, OpacityDecayConfig
from recon.methods.opacity_noise import OpacityNoise, OpacityNoiseConfig
from recon.methods.parameter_mean import ParameterMean, ParameterMeanConfig
from recon.methods.priors.agreement import baselines
from recon.methods.priors.depth_range import DepthRangeConfig
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.methods.pseudo_views import nearest_partners
from recon.methods.random_backdrop import RandomBackdrop, RandomBackdropConfig, confirmed_or_alone
from recon.methods.regulariser import Regulariser
from recon.methods.relative_depth import RelativeDepth, RelativeDepthConfig
from recon.methods.repair.config import RepairConfig
from recon.methods.repair.diffusion import DiffusionRepair, nearest_photo
from recon.methods.repair.diffusion_pipelines import load_pipeline
from recon.methods.repair.diffusion_score import load_score
from recon.methods.repair.loop import RepairedFit
from recon.methods.repair.outside import PaintedFit
from recon.methods.repair.painted import load_repair
from recon.methods.repair.rounds import Repair, blend_repair, place_around, place_by_support
from recon.methods.repair.smooth import smooth_repair
from recon.methods.score_distillation import ScoreDistillation, ScoreDistillationConfig
from recon.methods.shifted_camera import ShiftedCamera, ShiftedCameraConfig
from recon.methods.stereo_depth import StereoDepth, StereoDepthConfig
from recon.scene import Views
from recon.trainer import FitConfig, RatesConfig, Recipe


@dataclass(frozen=True)
class MethodConfig:
    """Everything that decides a result, apart from the photos."""

    depth_range: DepthRangeConfig = field(default_factory=DepthRangeConfig)
    stereo: StereoConfig = field(default_factory=StereoConfig)
    exposure: ExposureConfig = field(default_factory=ExposureConfig)
    initialise: InitialiseConfig = field(default_factory=InitialiseConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    opacity_decay: OpacityDecayConfig = field(default_factory=OpacityDecayConfig)
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    random_backdrop: RandomBackdropConfig = field(default_factory=RandomBackdropConfig)
    shifted_camera: ShiftedCameraConfig = field(default_factory=ShiftedCameraConfig)
    stereo_depth: StereoDepthConfig = field(default_factory=StereoDepthConfig)
    depth_ranking: DepthRankingConfig = field(default_factory=DepthRankingConfig)
    depth_correlation: DepthCorrelationConfig = field(default_factory=DepthCorrelationConfig)
    relative_depth: RelativeDepthConfig = field(default_factory=RelativeDepthConfig)
    feature_consistency: FeatureConsistencyConfig = field(default_factory=FeatureConsistencyConfig)
    coherence: CoherenceConfig = field(default_factory=CoherenceConfig)
    co_regularisation: CoRegularisationConfig = field(default_factory=CoRegularisationConfig)
    opacity_noise: OpacityNoiseConfig = field(default_factory=OpacityNoiseConfig)
    confidence_rates: ConfidenceRatesConfig = field(default_factory=ConfidenceRatesConfig)
    score_distillation: ScoreDistillationConfig = field(default_factory=ScoreDistillationConfig)
    parameter_mean: ParameterMeanConfig = field(default_factory=ParameterMeanConfig)
    repair: Literal["none", "smooth", "blend", "network", "diffusion"] = "none"
    """What mends pictures between the photos: nothing; where no photo sees the surface, smooth colours or a
    small network (--repairing.painter), after the fit; or, in it, the photos that see the same surfaces, or
    these and, where none does, a diffusion model of yours (--repairing.diffusion.model)."""
    repairing: RepairConfig = field(default_factory=RepairConfig)
    densify: Literal["prune", "grow", "budget"] = "prune"
    """Whether Gaussians are only removed when faded, also grown as 3DGS does, or grown within a budget."""
    prune: PruneConfig = field(default_factory=PruneConfig)
    grow: DefaultStrategy = field(default_factory=DefaultStrategy)
    """gsplat's own settings for growing."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    checkpoint_every: int = 250
    """Steps between two states on disk, from which --resume goes on."""


PLAIN = MethodConfig(
    exposure=ExposureConfig(weight=0.0),
    initialise=InitialiseConfig(untrusted_share=0.0, border=0.0, opacity=0.1, sh_degree=3),
    opacity_decay=OpacityDecayConfig(rate=0.0),
    dropout=DropoutConfig(max_rate=0.0),
    random_backdrop=RandomBackdropConfig(weight=0.0),
    shifted_camera=ShiftedCameraConfig(weight=0.0),
    parameter_mean=ParameterMeanConfig(mean_rate=0.0),
    densify="grow",
    # The 3DGS code's share of SSIM, and rates lower than those of "recon", near that code's: its growing is
    # tuned to them.
    fit=FitConfig(
        dssim_weight=0.2,
        coarse_share=0.0,
        rates=RatesConfig(means=8e-5, log_scales=5e-3, quats=1e-3, logit_opacities=2e-2, sh0=2.5e-3),
    ),
)
"""3DGS: what the methods of the literature add to."""

METHODS: dict[str, tuple[str, MethodConfig]] = {
    "recon": (
        "Stereo points, opacity decay, dropout, random backdrop, shifted-camera consistency; coarse to fine, "
        "and the mean of the last steps.",
        MethodConfig(),
    ),
    "3dgs": ("Plain 3DGS from the same stereo points: no regulariser, no border, densification on.", PLAIN),
    "3dgs-sfm": (
        "Plain 3DGS as its paper begins: from the sparse points of matched keypoints, which it grows from.",
        replace(
            PLAIN,
            initialise=replace(PLAIN.initialise, points="matches"),
            # What the sparse-view papers give it (FSGS's code): there is far to grow.
            fit=replace(PLAIN.fit, max_steps=10_000),
        ),
    ),
    "dropgaussian": (
        "3dgs with dropout of Gaussians.",
        replace(PLAIN, dropout=DropoutConfig(max_rate=0.2)),
    ),
    "binocular": (
        "3dgs with opacity decay and shifted-camera consistency.",
        replace(
            PLAIN,
            # The paper: harmonics of degree 1, the warp in the last third of the fit, in every step.
            initialise=replace(PLAIN.initialise, sh_degree=1),
            opacity_decay=OpacityDecayConfig(rate=0.005),
            shifted_camera=ShiftedCameraConfig(weight=1.0, every=1, start=0.67),
        ),
    ),
    "sparsenerf": (
        "3dgs with depth ranking and continuity; the order is stereo's, with --depth a network's in gaps.",
        replace(
            PLAIN, depth_ranking=DepthRankingConfig(ranking_weight=0.1, continuity_weight=0.02, pixels="all")
        ),
    ),
    "fsgs": (
        "3dgs with depth correlation at train and pseudo views, to stereo depth; --depth adds a network's.",
        replace(PLAIN, depth_correlation=DepthCorrelationConfig(weight=0.05, pseudo_weight=0.5)),
    ),
    "coherent": (
        "3dgs with groups of Gaussians that move as one, and flow from stereo's matches; no growing.",
        replace(
            PLAIN,
            coherence=CoherenceConfig(group_weight=1.0, variation_weight=1.0, flow_weight=1.0),
            # The paper has one Gaussian a pixel from first to last.
            densify="prune",
        ),
    ),
    "cor-gs": (
        "3dgs twice, side by side: pictures between the photos and places of Gaussians must agree.",
        replace(PLAIN, co_regularisation=CoRegularisationConfig(weight=1.0)),
    ),
}
"""Name -> (what it is, its values)."""


def make_recipe(config: MethodConfig, views: Views, stereo: StereoPrior) -> Recipe:
    """The regularisers, the strategy and the loop that a configuration asks for, for one scene."""
    recipe = Recipe(make_regularisers(config, views, stereo), make_strategy(config, stereo))
    pairs, rounds = config.co_regularisation.weight > 0, config.repair in ("blend", "diffusion")
    if pairs and rounds:
        raise InputError(
            f"Repair ({config.repair}) and co-regularisation both fit a second field; leave one of them out."
        )
    if pairs or rounds:
        partner = Recipe(recipe.regularisers, make_strategy(config, stereo))
        paired = PairedFit(config.co_regularisation, nearest_partners(views.cameras)) if pairs else None
        recipe = replace(recipe, loop=paired or make_repaired_fit(config, views), partner=partner)
    if config.repair in ("smooth", "network"):
        recipe = replace(recipe, loop=make_painted_fit(config, views, recipe))
    return recipe


def make_painted_fit(config: MethodConfig, views: Views, recipe: Recipe) -> PaintedFit:
    """The recipe's fit with what paints after it; raises what loading a network does."""
    parts = config.repairing
    place = place_around(place_by_support(parts), parts.pseudo_views.wider)
    repair: Repair = smooth_repair(parts.blend)
    if config.repair == "network":
        repair = load_repair(parts.painter, parts.blend, views, config.fit.seed)
    return PaintedFit(parts, place, repair, recipe.loop)


def make_repaired_fit(config: MethodConfig, views: Views) -> RepairedFit:
    """The loop with what repairs its pictures; raises what loading a model does."""
    parts = config.repairing
    place = place_by_support(parts)
    repair: Repair = blend_repair(parts.blend)
    if config.repair == "diffusion":
        pipeline = load_pipeline(parts.diffusion, views.images[0].device)
        reference = partial(nearest_photo, views) if parts.diffusion.ip_adapter else None
        repair = DiffusionRepair(pipeline, parts.diffusion, parts.blend, reference)
    return RepairedFit(parts, place, repair)


def make_strategy(config: MethodConfig, stereo: StereoPrior) -> Strategy:
    """What changes the number of one field's Gaussians."""
    if config.densify == "grow":
        return GrowAndPrune(config.grow, stereo.scale)
    if config.densify == "budget":
        return Budget(config.budget, config.prune, stereo.scale, config.fit.max_steps)
    return Prune(config.prune)


def grows_late(config: MethodConfig) -> bool:
    """Whether Gaussians still grow within the steps that would be averaged."""
    first = config.parameter_mean.first_step(config.fit.max_steps)
    ends = {
        "prune": 0.0,
        "grow": config.grow.refine_stop_iter,
        "budget": config.budget.stop * config.fit.max_steps,
    }
    return ends[config.densify] > first


def make_regularisers(config: MethodConfig, views: Views, stereo: StereoPrior) -> dict[str, Regulariser]:
    """The regularisers whose weights are above 0."""
    baseline = float(baselines(views.cameras).max())
    partners = nearest_partners(views.cameras)
    ranking, correlation, coherence = config.depth_ranking, config.depth_correlation, config.coherence
    features, distillation = config.feature_consistency, config.score_distillation
    parts: dict[str, tuple[float, Callable[[], Regulariser]]] = {
        "dropout": (config.dropout.max_rate, lambda: Dropout(config.dropout)),
        "random_backdrop": (
            config.random_backdrop.weight,
            lambda: RandomBackdrop(config.random_backdrop, confirmed_or_alone(views.cameras, stereo)),
        ),
        "opacity_noise": (config.opacity_noise.deviation, lambda: OpacityNoise(config.opacity_noise)),
        "confidence_rates": (config.confidence_rates.gain, lambda: ConfidenceRates(config.confidence_rates)),
        "stereo_depth": (config.stereo_depth.weight, lambda: StereoDepth(config.stereo_depth)),
        "depth_ranking": (ranking.ranking_weight + ranking.continuity_weight, lambda: DepthRanking(ranking)),
        "depth_correlation": (
            correlation.weight + correlation.pseudo_weight,
            lambda: DepthCorrelation(correlation, partners),
        ),
        "relative_depth": (config.relative_depth.weight, lambda: RelativeDepth(config.relative_depth)),
        "coherence": (
            coherence.group_weight + coherence.variation_weight + coherence.flow_weight,
            lambda: Coherence(coherence, partners),
        ),
        "feature_consistency": (features.weight, lambda: FeatureConsistency.of_views(features, views)),
        "score_distillation": (
            distillation.weight,
            lambda: ScoreDistillation(
                distillation, partners, load_score(config.repairing.diffusion, views.images[0].device)
            ),
        ),
        "shifted_camera": (
            config.shifted_camera.weight,
            lambda: ShiftedCamera(config.shifted_camera, baseline),
        ),
        "opacity_decay": (config.opacity_decay.rate, lambda: OpacityDecay(config.opacity_decay)),
        # Last: the mean is of what a step leaves behind.
        "parameter_mean": (
            0.0 if grows_late(config) else config.parameter_mean.mean_rate,
            lambda: ParameterMean(config.parameter_mean, config.fit.max_steps),
        ),
    }
    return {name: make() for name, (weight, make) in parts.items() if weight > 0}
