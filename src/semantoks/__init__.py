"""semantoks: resting-state fMRI recordings in, representations of the person out."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semantoks.atlas.atlas import Atlas
    from semantoks.atlas.catalog import get_atlas
    from semantoks.doctor.checkup import checkup
    from semantoks.evaluate.finetuning.finetune import finetune
    from semantoks.evaluate.finetuning.tuning import FinetuneConfig
    from semantoks.evaluate.probe import probe
    from semantoks.evaluate.settings import ProbeConfig
    from semantoks.evaluate.study.shown import Baseline
    from semantoks.features.embed import embed
    from semantoks.features.embedder import SemantoksEmbedder
    from semantoks.model.card import EncoderCard
    from semantoks.model.convert import convert_back, convert_checkpoint
    from semantoks.model.encoder import EncoderConfig, Tokens
    from semantoks.model.hub import Encoder, load_encoder
    from semantoks.model.tensors import save_encoder
    from semantoks.objective.self_distillation import Branch, HeadConfig, load_branches
    from semantoks.objective.terms import LossTerms, ObjectiveConfig
    from semantoks.report.page import write_report
    from semantoks.signals.clean import CleaningConfig
    from semantoks.signals.cohort import Cohort
    from semantoks.signals.prepare import prepare
    from semantoks.signals.quality import GateConfig
    from semantoks.signals.reading_config import ReadingConfig
    from semantoks.signals.recording import Recording
    from semantoks.signals.sources.memory import MemorySource, recordings_from_arrays, recordings_from_mapping
    from semantoks.simulation.cohort import SimulationConfig, simulate
    from semantoks.statistics.summary import summarise
    from semantoks.train.loop import PretrainConfig, step_terms
    from semantoks.train.recipe import load_recipe
    from semantoks.train.run import pretrain
    from semantoks.views.batch import Batch

__all__ = [
    "Atlas",
    "Baseline",
    "Batch",
    "Branch",
    "CleaningConfig",
    "Cohort",
    "Encoder",
    "EncoderCard",
    "EncoderConfig",
    "FinetuneConfig",
    "GateConfig",
    "HeadConfig",
    "LossTerms",
    "MemorySource",
    "ObjectiveConfig",
    "PretrainConfig",
    "ProbeConfig",
    "ReadingConfig",
    "Recording",
    "SemantoksEmbedder",
    "SimulationConfig",
    "Tokens",
    "checkup",
    "convert_back",
    "convert_checkpoint",
    "embed",
    "finetune",
    "get_atlas",
    "load_branches",
    "load_encoder",
    "load_recipe",
    "prepare",
    "pretrain",
    "probe",
    "recordings_from_arrays",
    "recordings_from_mapping",
    "save_encoder",
    "simulate",
    "step_terms",
    "summarise",
    "write_report",
]

_WHERE = {
    "Atlas": "atlas.atlas",
    "Baseline": "evaluate.study.shown",
    "Batch": "views.batch",
    "Branch": "objective.self_distillation",
    "CleaningConfig": "signals.clean",
    "Cohort": "signals.cohort",
    "Encoder": "model.hub",
    "EncoderCard": "model.card",
    "EncoderConfig": "model.encoder",
    "FinetuneConfig": "evaluate.finetuning.tuning",
    "GateConfig": "signals.quality",
    "HeadConfig": "objective.self_distillation",
    "LossTerms": "objective.terms",
    "MemorySource": "signals.sources.memory",
    "ObjectiveConfig": "objective.terms",
    "PretrainConfig": "train.loop",
    "ProbeConfig": "evaluate.settings",
    "ReadingConfig": "signals.reading_config",
    "Recording": "signals.recording",
    "SemantoksEmbedder": "features.embedder",
    "SimulationConfig": "simulation.cohort",
    "Tokens": "model.encoder",
    "checkup": "doctor.checkup",
    "convert_back": "model.convert",
    "convert_checkpoint": "model.convert",
    "embed": "features.embed",
    "finetune": "evaluate.finetuning.finetune",
    "get_atlas": "atlas.catalog",
    "load_branches": "objective.self_distillation",
    "load_encoder": "model.hub",
    "load_recipe": "train.recipe",
    "prepare": "signals.prepare",
    "pretrain": "train.run",
    "probe": "evaluate.probe",
    "recordings_from_arrays": "signals.sources.memory",
    "recordings_from_mapping": "signals.sources.memory",
    "save_encoder": "model.tensors",
    "simulate": "simulation.cohort",
    "step_terms": "train.loop",
    "summarise": "statistics.summary",
    "write_report": "report.page",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import semantoks`` costs next to nothing."""
    if name not in _WHERE:
        raise AttributeError(f"module 'semantoks' has no attribute {name!r}")
    return getattr(importlib.import_module(f"semantoks.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
