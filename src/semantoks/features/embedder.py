"""The frozen encoder as a scikit-learn transformer, for pipelines beside nilearn's ``ConnectivityMeasure``."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Real
from numpy import ndarray
from sklearn.base import BaseEstimator, TransformerMixin

from semantoks.errors import ConfigError, DataError
from semantoks.features.embed import embed
from semantoks.features.encode import Readout, open_encoder
from semantoks.model.encoder import Encoder
from semantoks.signals.recording import Recording

Subjects = Sequence[Real[ndarray, "_ roi"]] | Real[ndarray, "subject frame roi"]


class SemantoksEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Time series of people to features of a frozen encoder; nothing is learnt in ``fit``.

    Takes what nilearn's ``ConnectivityMeasure`` takes: a list of arrays [frame, roi], of any lengths, or one array
    [subject, frame, roi]; ROIs in the order of the encoder's atlas, missing ones NaN or constant. Returns one
    row per subject, with the same numbers as `semantoks.embed`.

    Parameters
    ----------
    model
        A run, an encoder folder, or an id on the Hugging Face hub.
    tr
        Repetition time of the series, in seconds. Required: it is never guessed.
    already_filtered
        The series are band-passed: do not filter again.
    readout, crops, device
        See `semantoks.embed`.

    Examples
    --------
    >>> pipeline = make_pipeline(SemantoksEmbedder("runs/a", tr=0.8), StandardScaler(), RidgeCV())
    >>> cross_val_score(pipeline, series, age)
    """

    def __init__(
        self,
        model: str | Path = "",
        *,
        tr: float | None = None,
        already_filtered: bool = False,
        readout: Readout = "cls_avg",
        crops: int = 8,
        device: str = "cpu",
    ) -> None:
        self.model = model
        self.tr = tr
        self.already_filtered = already_filtered
        self.readout = readout
        self.crops = crops
        self.device = device

    def fit(self, X: Subjects, y: Any = None) -> "SemantoksEmbedder":  # noqa: ARG002
        """Check that model and settings can be used; ConfigError or WeightsError if not."""
        self._encoder()
        return self

    def transform(self, X: Subjects) -> Float32[ndarray, "subject feature"]:
        """Embed every subject.

        Raises
        ------
        ConfigError
            When ``tr`` is not given.
        DataError
            When a subject's series cannot be used: a transformer has to give a row for each of them.
        """
        encoder = self._encoder()
        recordings = [
            Recording(series=np.asarray(series), tr=float(self.tr or 0), participant=str(row), source=f"subject {row}")
            for row, series in enumerate(X)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            table = embed(
                recordings,
                model=encoder,
                readout=self.readout,
                crops=self.crops,
                device=self.device,
                already_filtered=self.already_filtered,
            )
        if refused := table.attrs["excluded"]:
            reasons = "; ".join(f"subject {one['participant_id']}: {one['reason']}" for one in refused[:3])
            raise DataError(
                f"{len(refused)} of {len(recordings)} subjects cannot be embedded: {reasons} Leave them out."
            )
        return table[list(self.get_feature_names_out())].to_numpy(np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> ndarray:  # noqa: ARG002
        """Name the features as `semantoks.embed` does: ``cls_avg_0000`` and so on."""
        encoder = self._encoder()
        widths = {"cls_avg": 2, "cls": 1, "avg": 1, "network": encoder.n_networks}
        count = widths[self.readout] * encoder.config.width
        return np.array([f"{self.readout}_{i:04d}" for i in range(count)], dtype=object)

    def _encoder(self) -> Encoder:
        """Load the encoder once for as long as ``model`` is the same; it is not pickled."""
        if self.tr is None:
            raise ConfigError(
                "SemantoksEmbedder needs tr, the repetition time of the series in seconds; it is never guessed."
            )
        stored: tuple[str, Encoder] | None = self.__dict__.get("_stored")
        if stored is None or stored[0] != str(self.model):
            stored = str(self.model), open_encoder(self.model)[0]
            self.__dict__["_stored"] = stored
        return stored[1]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_stored"}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags
