"""The methods of an evaluation, one line each: their names, what they are, and how figures draw them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ENCODER, BOTH, FC, RANDOM, MOTION = "encoder", "fc+encoder", "fc", "random_weights", "motion"
TANGENT, TANGENT_BOTH = "fc_tangent", "tangent+encoder"
BOXED, ROI = "box", "roi"
FC_FULL, TANGENT_FULL = "fc_full", "fc_tangent_full"
SCAN, MOTION_SCAN, SITE = "scan", "motion+scan", "site"
FINETUNED, FINETUNED_RANDOM = "finetuned", "finetuned_random"
FC_MLP, FC_TRANSFORMER, DYNAMIC_GRAPH = "fc_mlp", "fc_transformer", "dynamic_graph"
Dash = Literal["solid"] | tuple[int, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How figures draw a method or condition; marker, dash and hatch distinguish it without colour, too."""

    paint: str = "muted"
    marker: str = "o"
    dash: Dash = "solid"
    filled: bool = True
    hatch: str = ""


PLAIN = Look(filled=False)
"""The look of methods without their own."""


@dataclass(frozen=True, kw_only=True)
class MethodInfo:
    """What is known about a method before it has run.

    Attributes
    ----------
    name
        For tables and figures.
    words
        What it does, for readers of a report.
    central
        Whether the costlier analyses (learning curves, confounds, motion matching) include it.
    bar
        Whether it is shown beside every encoder: after fine-tuning, in a model card, first on a screen.
    nuisance
        Whether it knows nothing of brain function, or nothing learned: what it reaches needs no such encoder.
    costly
        Whether a protocol of many trials leaves it out, unless it is named.
    tuned
        Whether fine-tuning computes it, and not the probe.
    """

    name: str
    words: str
    look: Look = PLAIN
    central: bool = False
    bar: bool = False
    nuisance: bool = False
    costly: bool = False
    tuned: bool = False


METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        ENCODER: MethodInfo(
            name="encoder",
            words="the pretrained encoder: its readout averaged over evenly spaced crops and over a person's "
            "recordings",
            look=Look(paint="blue"),
            central=True,
        ),
        BOTH: MethodInfo(
            name="FC + encoder",
            words="a second linear model on the predictions of FC and the encoder: does the encoder add to FC?",
            look=Look(paint="green", marker="D"),
            central=True,
        ),
        TANGENT_BOTH: MethodInfo(
            name="tangent FC + encoder",
            words="a second linear model on the predictions of tangent FC and the encoder: does the encoder add to "
            "tangent FC?",
            look=Look(paint="deep", marker="X"),
            central=True,
            costly=True,
        ),
        RANDOM: MethodInfo(
            name="random weights",
            words="the same encoder with the random weights that its pretraining started from",
            look=Look(marker="^", dash=(0, (4, 3)), filled=False),
            central=True,
            bar=True,
            nuisance=True,
        ),
        FC: MethodInfo(
            name="FC",
            words="functional connectivity: Fisher-z Pearson correlations of all pairs of ROIs",
            look=Look(paint="orange", marker="s", hatch="/////"),
            central=True,
            bar=True,
        ),
        TANGENT: MethodInfo(
            name="tangent FC",
            words="functional connectivity in the tangent space of training people's mean, shrunk so that their other "
            "frames are likeliest",
            look=Look(paint="ink", marker="h", dash=(0, (6, 2, 1, 2))),
            central=True,
            bar=True,
            costly=True,
        ),
        "fc_partial": MethodInfo(
            name="FC (partial correlation)",
            words="partial correlations of all pairs of ROIs given all others, from Ledoit-Wolf covariances, Fisher-z",
        ),
        FC_FULL: MethodInfo(
            name="FC (full band)", words="functional connectivity of the series that were not band-passed"
        ),
        TANGENT_FULL: MethodInfo(
            name="tangent FC (full band)",
            words="tangent-space connectivity of the series that were not band-passed",
            costly=True,
        ),
        BOXED: MethodInfo(
            name="encoder in the box",
            words="the encoder that comes with semantoks for this atlas: tangent-space edges among components of other "
            "people's mean correlations, nothing learned",
        ),
        "fc_svm": MethodInfo(
            name="FC (linear SVM)", words="functional connectivity with a linear support vector machine"
        ),
        ROI: MethodInfo(name="ROI mean and SD", words="mean and standard deviation of each ROI before z-scoring"),
        "spectra": MethodInfo(
            name="network spectra",
            words="power of each network in eight bands of frequency, averaged over its ROIs, logarithmic",
        ),
        "pca": MethodInfo(
            name="PCA of the series",
            words="variance and lag-1 autocorrelation of the series of 50 principal components of the training people",
        ),
        MOTION: MethodInfo(
            name="motion",
            words="mean framewise displacement, its logarithm, and the share of good frames: head motion alone",
            look=Look(marker="v", dash=(0, (1, 2))),
            bar=True,
            nuisance=True,
        ),
        SCAN: MethodInfo(
            name="scan length and TR",
            words="number of frames and repetition time: how the scanner was set, nothing of the brain",
            nuisance=True,
        ),
        MOTION_SCAN: MethodInfo(
            name="motion, scan length and TR",
            words="motion and scan together, and the number of good frames, which depends on both",
            nuisance=True,
        ),
        SITE: MethodInfo(name="site", words="the site, nothing else (never for the target site)", nuisance=True),
        "demographics": MethodInfo(
            name="demographics", words="age and sex, as far as known and not themselves the target"
        ),
        "encoder_knn": MethodInfo(
            name="encoder (nearest neighbours)",
            words="nearest neighbours of the encoder's features, instead of a linear model",
        ),
        "encoder_attention": MethodInfo(
            name="encoder (attention readout)", words="the encoder, an attention probe over all its tokens"
        ),
        "encoder_cls": MethodInfo(name="encoder (CLS token)", words="the encoder, readout cls: its CLS token"),
        "encoder_avg": MethodInfo(
            name="encoder (mean token)", words="the encoder, readout avg: the mean over all tokens"
        ),
        "encoder_cls_avg": MethodInfo(
            name="encoder (mean token and CLS)", words="the encoder, both: the mean over all tokens, and CLS"
        ),
        "encoder_network": MethodInfo(
            name="encoder (token per network)",
            words="the encoder, readout network: the mean token of each network, side by side",
        ),
        FINETUNED: MethodInfo(
            name="fine-tuned encoder",
            words="the pretrained encoder, fine-tuned with a linear head on the training people of each split",
            look=Look(paint="deep", marker="P"),
            tuned=True,
        ),
        FINETUNED_RANDOM: MethodInfo(
            name="fine-tuned random weights",
            words="the same fine-tuning, but from the random weights that the pretraining started from",
            tuned=True,
        ),
        FC_MLP: MethodInfo(
            name="FC (multilayer perceptron)",
            words="a multilayer perceptron on functional connectivity, trained from labels alone",
            tuned=True,
        ),
        FC_TRANSFORMER: MethodInfo(
            name="FC (transformer)",
            words="a transformer over the rows of functional connectivity with a readout by orthonormal clusters (the "
            "kind of Brain Network Transformer), trained from labels alone",
            tuned=True,
        ),
        DYNAMIC_GRAPH: MethodInfo(
            name="dynamic graph",
            words="a graph network on functional connectivity in windows of a minute, with attention over time (the "
            "kind of STAGIN), trained from labels alone",
            tuned=True,
        ),
    }
)
"""In the order of display."""
CENTRAL = tuple(name for name, method in METHODS.items() if method.central)
BAR = tuple(name for name, method in METHODS.items() if method.bar)
NUISANCES = tuple(name for name, method in METHODS.items() if method.nuisance)
COSTLY = tuple(name for name, method in METHODS.items() if method.costly)
BLOCK_WORDS = {
    ENCODER: "the pretrained encoder's readout of a block, all other positions of its window hidden",
    ROI: "mean and standard deviation of each ROI over a block, z-scored over its recording: what activation maps show",
    SCAN: "number of frames of a block, and repetition time: how the task was timed, nothing of the brain",
}
"""What methods do that are shown the blocks of a task."""
OF_BLOCKS = (ENCODER, BOTH, TANGENT_BOTH, RANDOM, FC, TANGENT, ROI, SCAN)
"""What a probe computes of blocks, unless it is told otherwise."""
OF_PEOPLE = ("spectra", MOTION, MOTION_SCAN, SITE, "demographics")
"""What says the same of all blocks of a recording, or needs more frames than they have."""
PROBED = tuple(name for name, method in METHODS.items() if not method.tuned)
"""What a probe can compute."""


def method_name(method: str) -> str:
    """Return the name of a method in tables and figures; one that is not listed keeps its own name."""
    return METHODS[method].name if method in METHODS else method


def method_look(method: str) -> Look:
    """Return how figures draw a method."""
    return METHODS[method].look if method in METHODS else PLAIN


def in_order(methods: Iterable[str]) -> list[str]:
    """Sort methods into the order of display; those that are not listed keep theirs, before what is fine-tuned."""
    places = {name: place for place, name in enumerate((*PROBED, "", *(m for m in METHODS if m not in PROBED)))}
    return sorted(dict.fromkeys(methods), key=lambda name: places.get(name, places[""]))
