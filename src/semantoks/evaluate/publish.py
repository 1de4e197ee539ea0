"""Publish an encoder: its weights on the hub, with the scores of its probes and of FC in the model card."""

from dataclasses import replace
from pathlib import Path

from semantoks.config import check_arguments
from semantoks.model.card import EncoderCard, read_card
from semantoks.model.hub import find_encoder, upload
from semantoks.statistics.methods import BAR, ENCODER, method_name
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import ABOUT, ALPHA, PREDICTIONS, SCORES, read_predictions, read_scores
from semantoks.storage.checksums import read_sealed


def push(model: str | Path, repo_id: str, *, public: bool = False, token: str | None = None) -> str:
    """Upload a run's encoder, student and heads included, to ``owner/name`` on the Hugging Face hub; return the URL.

    The model card lists the main scores of every probe in the run's folder, beside FC, random weights and motion.

    Parameters
    ----------
    model
        A run, or an encoder folder.
    repo_id
        Name of the repository on the hub.
    public
        Make it public; otherwise only you and your organisation can see it.
    token
        Of the hub; None = the one that ``hf auth login`` keeps.

    Raises
    ------
    WeightsError
        If there is no encoder, the id is malformed, or the hub refuses or cannot be reached.
    """
    check_arguments(push, locals())
    folder = find_encoder(model)
    return upload(folder, repo_id, with_scores(read_card(folder), Path(model)), private=not public, token=token)


def with_scores(card: EncoderCard, run: Path) -> EncoderCard:
    """Add the scores of the finished probes in a run's folder to a card."""
    rows = [row for file in sorted(run.glob(f"*/{ABOUT}")) for row in _rows(file.parent)]
    return replace(card, scores=tuple(rows)) if rows else card


def _rows(probe: Path) -> list[dict[str, str]]:
    about = read_sealed(probe / ABOUT)
    settings = about["settings"]
    found = summarise(
        read_scores(probe / SCORES),
        read_predictions(probe / PREDICTIONS),
        bound=settings.get("equivalence"),
        seed=settings["seed"],
    )
    main = found[found["analysis"] == "main"]
    rows = []
    for (target, metric), part in main.groupby(["target", "metric"], sort=False):
        scores = {str(one["method"]): one for one in part.to_dict("records")}
        row = {"target": str(target), "score": str(metric), "protocol": str(settings["protocol"])}
        row |= {
            method_name(
                method
            ): f"{scores[method]['mean']:.3f} [{scores[method]['low']:.3f}, {scores[method]['high']:.3f}]"
            for method in (ENCODER, *BAR)
            if method in scores
        }
        if "encoder" in scores:
            as_good = f", as good within {settings.get('equivalence')}" if scores["encoder"]["p_equal"] < ALPHA else ""
            row["vs FC"] = f"{scores['encoder']['verdict']}{as_good}"
            row["vs tangent FC"] = str(scores["encoder"]["tangent_verdict"]) or "not run"
        rows.append(row)
    return rows
