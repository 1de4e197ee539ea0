"""Commands that look inside an encoder: audit, vocabulary, explain."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found, show
from semantoks.cli.everywhere import say as print
from semantoks.cli.typed import TYPED, words_if_empty
from semantoks.errors import EXIT_OK
from semantoks.inside.settings import InsideConfig

Model = Positional[Annotated[Path, arg(metavar="MODEL")]]
Recordings = Positional[Annotated[Path, arg(metavar="COHORT")]]
Targets = Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]"), words_if_empty("none")]
Flags = Annotated[InsideConfig, arg(name="")]


def audit(
    model: Model,
    cohort: Recordings,
    out: Path,
    target: Targets = (),
    components: int = 50,
    config: Flags = InsideConfig(),  # noqa: B008
) -> int:
    """Measure how much first-, second- and third-order structure an embedding keeps, on people never seen.

    Example: semantoks audit runs/a cohort/ --out runs/a/audit

    Moments and spectra of ROIs; FC, tangent FC (as a map over pairs of networks, too) and lagged covariance;
    co-skewness. Each is read from the embedding by ridge regression with folds over people, at every checkpoint of a
    run. Writes tables and report.html.

    Args:
        model: A run folder, an encoder folder, or one in the box: schaefer400, mist122.
        cohort: A cohort prepared with the encoder's atlas.
        out: Output folder.
        target: Columns of participants.tsv to predict from each order.
        components: Principal components of each structure that are looked at, at least 1.
        config: The settings.
    """
    from semantoks.inside.audit import audit as run

    run(
        model,
        cohort,
        out=out,
        targets=target,
        components=components,
        config=config,
        command=TYPED.get(),
        verbose=True,
    )
    return _shown(out)


def vocabulary(
    model: Model,
    cohort: Recordings,
    out: Path,
    words: int = 64,
    codebook: Literal["kmeans", "residual", "fsq"] = "kmeans",
    whole_brain: bool = False,
    seconds: Annotated[
        float | None, arg(metavar="SECONDS"), words_if_empty("30, where windows have any length")
    ] = None,
    target: Targets = (),
    config: Flags = InsideConfig(),  # noqa: B008
) -> int:
    """Learn a codebook of an encoder's tokens: what the words are, who uses them, and what follows what.

    Example: semantoks vocabulary runs/a cohort/ --words 64 --out runs/a/vocabulary

    K-means (or another codebook) on tokens over time. Usage by network and person, transitions and their direction,
    dwell times, what words keep, stability across sessions and codebooks, the mean pattern of the windows that a word
    names; targets from words alone, compared with the encoder, FC, tangent FC and words of random weights. Writes
    tables and report.html.

    Args:
        model: A run folder, an encoder folder, or one in the box: schaefer400, mist122.
        cohort: A cohort prepared with the encoder's atlas.
        out: Output folder.
        words: Size of the codebook, at least 2.
        codebook: K-means; residual k-means, in stages; or finite scalar quantisation (needs vector-quantize-pytorch).
        whole_brain: One word at a time for the whole brain, from the tokens of all networks, not one per network.
        seconds: Length of the windows of an encoder that makes one token of a whole window.
        target: Columns of participants.tsv to predict from words.
        config: The settings.
    """
    from semantoks.inside.vocabulary import vocabulary as run

    run(
        model,
        cohort,
        out=out,
        words=words,
        codebook=codebook,
        whole_brain=whole_brain,
        seconds=seconds,
        targets=target,
        config=config,
        command=TYPED.get(),
        verbose=True,
    )
    return _shown(out)


def explain(
    model: Model,
    cohort: Recordings,
    out: Path,
    target: Annotated[
        str | None, arg(metavar="NAME"), words_if_empty("the first principal component of the embedding")
    ] = None,
    windows: int = 64,
    config: Flags = InsideConfig(),  # noqa: B008
) -> int:
    """Map what an encoder looks at; a map that random weights give, too, means nothing.

    Example: semantoks explain runs/a cohort/ --target age --out runs/a/explain

    Influence of networks on each other's tokens (by hiding them, by attention rollout), similarity of network
    embeddings, learned kernels, and what moves a number that is read from the embedding: ROIs over time by integrated
    gradients, pairs of networks by hiding both. Writes tables and report.html.

    Args:
        model: A run folder, or an encoder folder, of several networks.
        cohort: A cohort prepared with the encoder's atlas.
        out: Output folder.
        target: A column of participants.tsv (values, or two classes), whose prediction is explained.
        windows: Windows that are looked at, at most; one per person.
        config: The settings.
    """
    from semantoks.inside.explain import explain as run

    run(
        model,
        cohort,
        out=out,
        target=target,
        windows=windows,
        config=config,
        command=TYPED.get(),
        verbose=True,
    )
    return _shown(out)


def _shown(out: Path) -> int:
    """Print what was found, and write the page."""
    from semantoks.reporting.inside.folder import read_inside
    from semantoks.reporting.page import report

    answers, page = read_inside(out).listed("answers"), report(out)
    found(out=out, answers=answers, page=page)
    show("\n".join(answers), indent=2)
    print(f"Open {page} in a browser.")
    return EXIT_OK
