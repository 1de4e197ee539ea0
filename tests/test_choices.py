"""Every choice and every number of a configuration or a public function is checked where it is given."""

import dataclasses
import importlib
import inspect
import itertools
import pkgutil
import typing
from pathlib import Path
from typing import Literal

import jaxtyping
import numpy as np
import pytest

import semantoks
from semantoks.bids_app.settings import EmbeddingConfig
from semantoks.config import check_arguments
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.finetuning.tuning import TuningCorruption
from semantoks.model.export import export
from semantoks.model.tokenizers.projection import ProjectionConfig
from semantoks.model.tokenizers.published import TokenizerConfig
from semantoks.signals.reading_config import ReadingConfig
from semantoks.simulation.as_tool import simulate_as
from semantoks.train.recipe import OptimConfig
from semantoks.views.batch import ViewConfig
from semantoks.views.corrupt import CorruptionConfig
from semantoks.views.masks import MaskConfig


@pytest.fixture(autouse=True)
def no_type_checks_but_ours():
    """As users have it: the tests' own type checks (conftest.py) would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def choices(hint):
    """All values of the Literals in a type."""
    if typing.get_origin(hint) is Literal:
        return list(typing.get_args(hint))
    return [value for part in typing.get_args(hint) for value in choices(part)]


def configurations():
    """Every dataclass of the package that is called a configuration or chosen by kind, and the curves of objectives."""
    rooms = [m.name for m in pkgutil.walk_packages(semantoks.__path__, "semantoks.") if ".cli" not in m.name]
    found = {
        thing
        for room in rooms
        for thing in vars(importlib.import_module(room)).values()
        if inspect.isclass(thing) and dataclasses.is_dataclass(thing) and thing.__module__.startswith("semantoks")
    }
    named = [thing for thing in found if thing.__name__.endswith("Config")]
    return sorted({*named, semantoks.SelfDistillation, Curve, Panel}, key=lambda thing: thing.__name__)


def chosen_fields():
    for kind in configurations():
        for name, hint in typing.get_type_hints(kind).items():
            if values := [value for value in choices(hint) if isinstance(value, str)]:
                yield pytest.param(kind, name, hint, values, id=f"{kind.__name__}.{name}")


REQUIRED = {"column": "loss", "key": "k", "title": "t", "axis": "a", "caption": "c", "curves": (), "section": "loss"}


def needed(kind):
    """Values for the fields without a default."""
    return {
        f.name: REQUIRED[f.name]
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }


@pytest.mark.parametrize(("kind", "name", "hint", "values"), list(chosen_fields()))
def test_a_misspelt_choice_of_a_configuration_is_refused_with_the_nearest(kind, name, hint, values):
    for value, wrong in itertools.product(values[:1], (values[0].upper() + "x", values[0] + "s")):
        given = (wrong,) if typing.get_origin(hint) is tuple else wrong
        with pytest.raises(ConfigError, match=rf"{name} has to be one of .*{value}.*Did you mean '{value}'\?"):
            kind(**{**needed(kind), name: given})


def test_the_walk_finds_the_choices_that_it_is_about():
    found = {parameter.id for parameter in chosen_fields()}
    assert {
        "MaskConfig.kind",
        "ViewConfig.policy",
        "TokenizerConfig.pooling",
        "TokenizerConfig.branches",
        "ProbeConfig.readouts",
        "ProbeConfig.protocol",
        "ProbeConfig.analyses",
        "FinetuneConfig.class_weight",
        "ReadingConfig.confounds",
        "EmbeddingConfig.readout",
        "SelfDistillation.kind",
        "Curve.paint",
    } <= found


def functions():
    """Public functions and the constructors of encoders, without the runtime's type checks; and two behind commands."""
    public = [getattr(semantoks, name) for name in semantoks.__all__]
    yield from (thing for thing in public if inspect.isfunction(thing))
    yield from (semantoks.Encoder.from_pretrained.__func__, export, simulate_as)


def chosen_arguments():
    for function in functions():
        for name, hint in typing.get_type_hints(function).items():
            if name != "return" and (values := choices(hint)):
                yield pytest.param(inspect.unwrap(function), name, values, id=f"{function.__qualname__}.{name}")


@pytest.mark.parametrize(("function", "name", "values"), list(chosen_arguments()))
def test_a_misspelt_choice_of_a_public_function_is_refused_before_anything_is_done(function, name, values):
    parameters = inspect.signature(function).parameters.values()
    others = {p.name: Path("nowhere") for p in parameters if p.default is p.empty and p.name != name}
    lists = {
        "cohorts": [Path("nowhere")],
        "targets": ["nothing"],
        "dataset": "abide",
        "config": semantoks.SimulationConfig(),
    }
    others |= {listed: some for listed, some in lists.items() if listed in others}
    with pytest.raises(ConfigError, match=rf"{name} has to be one of .*Did you mean '{values[0]}'\?"):
        function(**others, **{name: values[0].upper() + "x"})


def test_the_walk_finds_the_arguments_that_it_is_about():
    assert {parameter.id for parameter in chosen_arguments()} >= {
        "embed.readout",
        "pretrain.device",
        "pretrain.precision",
        "pretrain.residence",
        "embed.precision",
        "probe.precision",
        "finetune.precision",
        "load_encoder.which",
        "Encoder.from_pretrained.which",
        "export.which",
        "simulate_as.tool_format",
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaskConfig(probability=1.5), "0..1"),
        (lambda: MaskConfig(probability="0.5"), "MaskConfig: probability has to be of type float, not '0.5'"),
        (lambda: MaskConfig(share=(0.5,)), "share has to be a list of 2 values"),
        (lambda: MaskConfig(probability=float("nan")), "probability has to be a number, not NaN"),
        (lambda: OptimConfig(lr=float("nan")), "lr has to be a number, not NaN"),
        (lambda: OptimConfig(betas=(0.9, 1.0)), r"betas have to be in \[0, 1\)"),
        (lambda: semantoks.PretrainConfig(min_seconds=-1), "min_seconds has to be at least 0"),
        (lambda: semantoks.PretrainConfig(batch_size=8.5), "batch_size has to be of type int, not 8.5"),
        (lambda: semantoks.PretrainConfig(views={"policy": "apart"}), "views has to be of type ViewConfig"),
        (lambda: semantoks.EncoderConfig(tokenizer={"kind": "projection"}), "tokenizer has to be of type Tokenizer"),
        (lambda: semantoks.CleaningConfig(already_filtered="no"), "already_filtered has to be of type bool, not 'no'"),
        (lambda: semantoks.ProbeConfig(readouts="cls"), "readouts has to be a list of values, not 'cls'"),
        (lambda: semantoks.ProbeConfig(methods="fc"), "methods has to be a list of values, not 'fc'"),
        (lambda: semantoks.StudyConfig(seeds=3), "seeds has to be a list of values, not 3"),
        (lambda: semantoks.ProbeConfig(split="leave-site-oust"), "Did you mean 'leave-site-out'"),
        (lambda: semantoks.ProbeConfig(crops=0), "--crops has to be at least 1"),
        (lambda: semantoks.ProbeConfig(missing=[-9999]), "missing has to be text, not -9999"),
        (lambda: semantoks.ProbeConfig(family=None), "family has to be text, not None"),
        (lambda: semantoks.FitConfig(columns="4"), "columns has to be of type int, not '4'"),
        (lambda: semantoks.FitConfig(min_seconds=-5), "min_seconds has to be at least 0, not -5"),
        (lambda: semantoks.ConnectivityConfig(log="no"), "log has to be of type bool, not 'no'"),
        (lambda: semantoks.FinetuneConfig(validation_crops=0), "validation_crops at least 1"),
        (lambda: semantoks.HeadConfig(hidden_layers=0), "at least 1"),
        (lambda: EmbeddingConfig(crops=0), "crops must be at least 1"),
        (lambda: ReadingConfig(parcellation="there.nii"), "parcellation has to be a path, not 'there.nii'"),
        (lambda: TuningCorruption(noise="loud"), "noise has to be of type float"),
        (lambda: semantoks.GateConfig(max_fd=0), "max_fd and warn_fd must be above 0"),
        (lambda: semantoks.SimulationConfig(participants=0), "participants has to be 1 or more"),
    ],
)
def test_a_value_that_cannot_be_is_refused_when_the_configuration_is_made(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tr": "2"}, "tr has to be of type float, not '2'"),
        ({"n_jobs": 2.0}, "n_jobs has to be of type int, not 2.0"),
        ({"cleaning": {"band": None}}, "cleaning has to be of type CleaningConfig"),
        ({"gates": semantoks.CleaningConfig()}, "gates has to be of type GateConfig"),
    ],
)
def test_prepare_refuses_arguments_of_another_type_before_it_looks_at_the_source(tmp_path, wrong, words):
    with pytest.raises(ConfigError, match=words):
        semantoks.prepare(tmp_path / "nowhere", out=tmp_path / "c", atlas="cc200", **wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"gates": "strict"}, "gates has to be of type GateConfig, not 'strict'"),
        ({"reading": {}}, "reading has to be of type ReadingConfig"),
        ({"tr": "0.8"}, "tr has to be of type float"),
        ({"recordings": -1}, "recordings must be at least 0"),
    ],
)
def test_the_doctor_checks_its_arguments_as_prepare_does(tmp_path, wrong, words):
    with pytest.raises(ConfigError, match=words):
        semantoks.doctor(tmp_path / "nowhere", **wrong)


def test_a_model_or_a_configuration_of_another_kind_is_named(tmp_path):
    with pytest.raises(ConfigError, match="model has to be text, not 3"):
        semantoks.SemantoksEmbedder(3, tr=2.0).fit([])
    with pytest.raises(ConfigError, match="config has to be of type SimulationConfig, not 'cc200'"):
        semantoks.simulate("cc200", out=str(tmp_path / "a"))


@pytest.mark.parametrize("function", [semantoks.fit, semantoks.pretrain])
def test_one_cohort_may_stand_in_place_of_a_list_and_nothing_else(function, tmp_path):
    for cohort in ("cohort", Path("cohort")):
        with pytest.raises(DataError, match="there is no folder 'cohort'"):
            function(cohort, out=tmp_path / "a")
    with pytest.raises(ConfigError, match="cohorts has to be"):
        function(3, out=tmp_path / "a")


def test_numbers_of_numpy_and_lists_for_tuples_are_fine():
    assert MaskConfig(probability=np.float32(0.5)).probability == 0.5
    assert TokenizerConfig(pieces=np.int64(2), decay=[1, 2.0]).pieces == 2
    assert ViewConfig(corruption=CorruptionConfig(noise=0.0)).corruption.noise == 0
    assert ProjectionConfig().kind == "projection"


def test_arguments_are_checked_by_their_types_and_others_pass():
    def job(where: Path | str, *, names: typing.Sequence[str], tr: float | None = None, fast: bool = False): ...

    check_arguments(job, {"where": Path("a"), "names": ["a"], "tr": None, "fast": np.bool_(True), "unknown": 1})
    with pytest.raises(ConfigError, match=r"where has to be a path, not \{'a'\}"):
        check_arguments(job, {"where": {"a"}})
    with pytest.raises(ConfigError, match="names has to be a list of values, not 'age'"):
        check_arguments(job, {"names": "age"})
    with pytest.raises(ConfigError, match="names has to be text, not 3"):
        check_arguments(job, {"names": ["age", 3]})
    with pytest.raises(ConfigError, match="tr has to be of type float, not '2'"):
        check_arguments(job, {"names": ("age",), "tr": "2"})
    with pytest.raises(ConfigError, match="fast has to be of type bool, not 'no'"):
        check_arguments(job, {"names": (), "fast": "no"})
