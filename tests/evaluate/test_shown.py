import numpy as np
import pytest

from semantoks.errors import DataError
from semantoks.evaluate.study.shown import crop_spans, shown_runs, standardised
from semantoks.model.encoder import EncoderConfig
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from tiny_people import write_cohort


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Recordings of 250 and of 60 frames."""
    rng = np.random.default_rng(0)
    series = {"sub-1": rng.normal(size=(250, 8)), "sub-2": rng.normal(size=(60, 8))}
    return write_cohort(tmp_path_factory.mktemp("two"), series)


def test_without_spans_all_frames_are_shown(two):
    (part,) = shown_runs(two, 0, None)
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, two.series(0))


def test_a_span_is_its_first_frame_and_a_number_of_frames_and_ends_with_the_recording(two):
    spans = np.array([[30, 20], [50, 20]])
    for index, (begin, end) in enumerate([(30, 50), (50, 60)]):
        (part,) = shown_runs(two, index, spans)
        np.testing.assert_array_equal(part, two.series(index)[begin:end])


def test_several_spans_are_shown_once_where_they_overlap_and_apart_where_they_do_not(two):
    spans = np.array([[[10, 20], [20, 15], [100, 1], [240, 100]], [[0, 60], [0, 60], [0, 60], [0, 60]]])
    parts = shown_runs(two, 0, spans)
    for part, (begin, end) in zip(parts, [(10, 35), (100, 101), (240, 250)], strict=True):
        np.testing.assert_array_equal(part, two.series(0)[begin:end])
    assert [len(part) for part in shown_runs(two, 1, spans)] == [60]


def test_a_span_beyond_the_recording_is_refused_by_name(two):
    with pytest.raises(DataError, match=r"recording sub-2\S* has 60 frames, but none in \[60, 10\] is good"):
        shown_runs(two, 1, np.array([[0, 10], [60, 10]]))


def test_crops_cover_what_the_encoder_sees(two):
    spans = crop_spans(two, EncoderConfig(), 4)
    assert spans[0].tolist() == [[0, 100], [50, 100], [100, 100], [150, 100]]
    assert spans[1].tolist() == [[0, 100]] * 4
    assert [len(part) for part in shown_runs(two, 0, spans)] == [250]
    few = crop_spans(two, EncoderConfig(), 2)
    assert [len(part) for part in shown_runs(two, 0, few)] == [100, 100]
    whole = EncoderConfig(patch=100, tokenizer=ConnectivityConfig())
    assert crop_spans(two, whole, None) is None, "it sees all frames"
    assert crop_spans(two, whole, 4).tolist() == spans.tolist()


def test_standardising_uses_all_parts_together_and_leaves_a_constant_at_zero():
    rng = np.random.default_rng(1)
    parts = [rng.normal(3, 2, size=(n, 3)).astype(np.float32) for n in (5, 9)]
    for part in parts:
        part[:, 1] = 0.3
    found = np.concatenate(standardised(parts))
    moving = np.concatenate(parts)[:, [0, 2]].astype(float)
    np.testing.assert_allclose(found[:, [0, 2]], (moving - moving.mean(axis=0)) / moving.std(axis=0), atol=1e-5)
    assert np.all(found[:, 1] == 0)
