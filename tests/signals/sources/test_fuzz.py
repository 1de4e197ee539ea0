"""Whatever happens to a file, it is read right, or refused by name: never another exception, never read wrong unsaid.

``SEMANTOKS_FUZZ=100`` tries a hundred times as many examples, other ones each time.
"""

import os

import numpy as np
import pytest
from damages import FAMILIES
from damaging import cut, damaged, written_otherwise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantoks.errors import ConfigError, DataError
from semantoks.signals.sources.source import notes_of

pytestmark = pytest.mark.slow

MORE = int(os.environ.get("SEMANTOKS_FUZZ", "0"))
EXAMPLES = 8


def fuzz(family):
    return settings(
        max_examples=max(4, EXAMPLES * max(1, MORE) // family.slow),
        derandomize=not MORE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def read_all(family, folder):
    """Recordings by key, each with its item; and what was refused: what is said, and the names that it may give."""
    try:
        source = family.opened(folder)
        items = source.items()
        source.participants()
        notes_of(source)
    except (DataError, ConfigError) as error:
        return {}, [(str(error), [str(folder)])]
    found, refused = {}, []
    for item in items:
        try:
            found[item.key] = (item, source.read(item))
        except DataError as error:
            refused.append((str(error), [item.path.name, item.key]))
    return found, refused


def written(family, folder):
    """Write a folder of a family; its files with their contents, and its recordings."""
    family.write(folder)
    found, refused = read_all(family, folder)
    assert found
    assert not refused
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}, found


def same(one, other, frames=None):
    facts = ("tr", "participant", "session", "run", "band")
    equal = all(getattr(one, name) == getattr(other, name) for name in facts)
    for name in ("series", "good", "fd"):
        a, b = getattr(one, name), getattr(other, name)
        b = b if b is None or frames is None else b[:frames]
        equal &= (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b, equal_nan=True))
    return equal


def replaced(path, contents, whole, family, folder):
    """What is read with other contents in one file; every refusal names it, its recording or its folder."""
    path.write_bytes(contents)
    try:
        found, refused = read_all(family, folder)
    finally:
        path.write_bytes(whole[path])
    for said, names in refused:
        assert any(name in said for name in (path.name, *names)), said
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_damaged_file_is_read_or_refused_by_name_and_leaves_the_others_alone(tmp_path, name):
    family = FAMILIES[name]
    whole, truth = written(family, tmp_path)

    @fuzz(family)
    @given(st.data())
    def check(data):
        path = data.draw(st.sampled_from(sorted(whole)), label="file")
        found = replaced(path, data.draw(damaged(whole[path])), whole, family, tmp_path)
        for key, (item, recording) in found.items():
            assert recording.series.shape[1] == family.atlas.n_rois
            apart = key in truth and item.path != path and path in {one.path for one, _ in truth.values()}
            assert not apart or same(recording, truth[key][1])

    check()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_that_was_cut_off_is_refused_unless_whole_frames_of_text_are_gone(tmp_path, name):
    family = FAMILIES[name]
    whole, truth = written(family, tmp_path)

    @fuzz(family)
    @given(st.data())
    def check(data):
        path = data.draw(st.sampled_from(sorted(whole)), label="file")
        contents = data.draw(cut(whole[path]))
        for key, (_, recording) in replaced(path, contents, whole, family, tmp_path).items():
            by_line = path.name.endswith(family.text) and contents.endswith(b"\n") if family.text else False
            assert same(recording, truth[key][1], len(recording.series) if by_line else None)

    check()


@pytest.mark.parametrize("name", FAMILIES)
def test_text_in_another_encoding_or_with_other_ends_of_lines_is_the_same_or_refused(tmp_path, name):
    family = FAMILIES[name]
    whole, truth = written(family, tmp_path)
    for path in [path for path in whole if path.suffix in (".tsv", ".csv", ".txt", ".1D", ".json")]:
        for contents in written_otherwise(whole[path]):
            for key, (_, recording) in replaced(path, contents, whole, family, tmp_path).items():
                assert same(recording, truth[key][1]), (path, contents[:80])
