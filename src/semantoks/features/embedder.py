"""The frozen encoder as a scikit-learn transformer, for pipelines beside nilearn's ``ConnectivityMeasure``."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Real
from numpy import ndarray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin

from semantoks.config import check_arguments
from semantoks.errors import ConfigError, DataError
from semantoks.features.embed import embed
from semantoks.features.encode import Readout, find_device, open_encoder, own_readout
from semantoks.features.stored import recordings_key, stored
from semantoks.model.encoder import Encoder
from semantoks.signals.prepare import check_jobs
from semantoks.signals.recording import Recording
from semantoks.types import Precision

Subjects = Sequence[Real[ndarray, "_ roi"]] | Real[ndarray, "subject frame roi"]


class SemantoksEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Time series of people to features of a frozen encoder; nothing is learnt in ``fit``.

    Takes what nilearn's ``ConnectivityMeasure`` takes: a list of arrays [frame, roi], of any lengths, or one array
    [subject, frame, roi]; ROIs in the order of the encoder's atlas, missing ones NaN or constant. Returns one
    row per subject, with the same numbers as `semantoks.embed`. ``fit`` sets ``n_features_in_``, the number of ROIs.

    Parameters
    ----------
    model
        A run, an encoder folder, an id on the Hugging Face hub, or a loaded Encoder.
    tr
        Repetition time of the series, in seconds. Required: it is never guessed.
    already_filtered
        The series are band-passed: do not filter again.
    readout, crops, device, precision, n_jobs, verbose
        See `semantoks.embed`.
    memory
        Folder in which features are kept, by what they were computed from: a cross-validation embeds once. It can be
        deleted at any time.

    Examples
    --------
    >>> pipeline = make_pipeline(SemantoksEmbedder("runs/a", tr=0.8), StandardScaler(), RidgeCV())
    >>> cross_val_score(pipeline, series, age)
    """

    def __init__(
        self,
        model: str | Path | Encoder = "",
        *,
        tr: float | None = None,
        already_filtered: bool = False,
        readout: Readout | None = None,
        crops: int | None = None,
        device: str = "auto",
        precision: Precision = "32-true",
        n_jobs: int = 1,
        memory: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.tr = tr
        self.already_filtered = already_filtered
        self.readout = readout
        self.crops = crops
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.memory = memory
        self.verbose = verbose

    def fit(self, X: Subjects, y: Any = None) -> "SemantoksEmbedder":  # noqa: ARG002
        """Load the encoder, and check that it, the settings and the series can be used; nothing is learnt.

        Raises
        ------
        ConfigError, DataError, WeightsError
            For settings, series or an encoder that cannot be used.
        """
        self.__dict__.pop("_stored", None)  # what is in the folder may be new
        encoder = self._encoder()
        self._recordings(X, encoder)
        self.n_features_in_ = encoder.n_rois
        return self

    def transform(self, X: Subjects) -> Float32[ndarray, "subject feature"]:
        """Embed every subject.

        Raises
        ------
        ConfigError
            When ``tr`` is not given, or another setting cannot be used.
        DataError
            When a subject's series cannot be used: a transformer has to give a row for each of them.
        """
        encoder = self._encoder()
        recordings = self._recordings(X, encoder)
        if self.memory is None:
            return self._embedded(recordings, encoder)
        key = recordings_key(encoder, recordings, (self.readout, self.crops, self.already_filtered, self.precision))
        return stored(Path(self.memory), key, lambda: self._embedded(recordings, encoder))

    def _embedded(self, recordings: list[Recording], encoder: Encoder) -> Float32[ndarray, "subject feature"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            table = embed(
                recordings,
                model=encoder,
                readout=self.readout,
                crops=self.crops,
                device=self.device,
                precision=self.precision,
                n_jobs=self.n_jobs,
                already_filtered=self.already_filtered,
                verbose=self.verbose,
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
        tokens = encoder.n_networks * encoder.config.patches
        widths = {"cls_avg": 2, "cls": 1, "avg": 1, "network": encoder.n_networks, "tokens": tokens}
        readout = self.readout or own_readout(encoder)
        count = widths[readout] * encoder.config.width
        return np.array([f"{readout}_{i:04d}" for i in range(count)], dtype=object)

    def _encoder(self) -> Encoder:
        """Check the settings, and load the encoder once for as long as ``model`` is the same; it is not pickled."""
        if self.tr is None:
            raise ConfigError(
                "SemantoksEmbedder needs tr, the repetition time of the series in seconds; it is never guessed."
            )
        check_arguments(type(self).__init__, self.get_params())
        if self.crops is not None and self.crops < 1:
            raise ConfigError(f"crops must be at least 1, not {self.crops}.")
        check_jobs(self.n_jobs)
        find_device(self.device)
        stored: tuple[str | Path | Encoder, Encoder] | None = self.__dict__.get("_stored")
        if stored is None or not _same(stored[0], self.model):
            stored = self.model, open_encoder(self.model)[0]
            self.__dict__["_stored"] = stored
        return stored[1]

    def _recordings(self, X: Any, encoder: Encoder) -> list[Recording]:
        """Take every subject's series; DataError for what is no series of the encoder's ROIs."""
        if issparse(X) or isinstance(X, str) or not hasattr(X, "__len__") or getattr(X, "ndim", 3) == 2:
            raise DataError(
                f"X has to be a list of arrays [frame, roi], or one array [subject, frame, roi], not {_shape(X)}. One "
                "subject is [series]."
            )
        if not len(X):
            raise DataError("X has no subjects.")
        recordings = []
        for row, series in enumerate(X):
            if issparse(series) or np.ndim(series) != 2:
                raise DataError(f"subject {row}: a series is a 2-D array [frame, roi], not {_shape(series)}.")
            frames, rois = np.shape(series)
            if rois != encoder.n_rois:
                hint = " Is it transposed?" if frames == encoder.n_rois else ""
                raise DataError(
                    f"subject {row}: wrong number of ROIs. The encoder takes {encoder.n_rois}, the series is "
                    f"[frame, roi] = [{frames}, {rois}].{hint}"
                )
            where = f"subject {row}"
            recordings.append(
                Recording(series=np.asarray(series), tr=float(self.tr or 0), participant=str(row), source=where)
            )
        return recordings

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


def _same(one: str | Path | Encoder, other: str | Path | Encoder) -> bool:
    """Say whether two models are the same object, or the same place."""
    if isinstance(one, Encoder) or isinstance(other, Encoder):
        return one is other
    return str(one) == str(other)


def _shape(given: Any) -> str:
    """Describe what came in place of an array, without its values."""
    kind = type(given).__name__
    return f"{kind} of shape {list(np.shape(given))}" if hasattr(given, "shape") else kind
