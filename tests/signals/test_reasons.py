"""Reasons are counted by what they say, not by whom they name."""

from semantoks.signals.reasons import common_reasons


def test_reasons_that_differ_in_names_and_numbers_are_one_and_the_first_is_the_example():
    refused = [
        (("sub-01", "raw/sub-01_bold.npy", "01"), "sub-01: too short: 15 frames of 2 s."),
        (("sub-02", "raw/sub-02_bold.npy", "02"), "sub-02: too short: 7 frames of 2.5 s."),
        (("sub-ann", "raw/x.npy", "ann"), "raw/x.npy is damaged."),
        (("sub-bob", "raw/y.npy", "bob"), "raw/y.npy is damaged."),
        (("sub-03",), "flat."),
    ]
    assert common_reasons(refused) == [
        "(2 x, for example) sub-01: too short: 15 frames of 2 s.",
        "(2 x, for example) raw/x.npy is damaged.",
        "(1 x) flat.",
    ]


def test_equal_reasons_need_no_example_and_rare_ones_are_counted_together():
    refused = [(("a",), "the same."), (("b",), "the same.")]
    found = common_reasons([*refused, *[(("x",), f"reason {'abcdefg'[i] * 9}") for i in range(5)]])
    assert found[0] == "(2 x) the same."
    assert len(found) == 4
    assert found[-1] == "(3 x) other reasons"


def test_short_names_are_only_replaced_as_words():
    refused = [(("a",), "subject a: a gap"), (("b",), "subject b: b gap"), (("c",), "subject c: any gap")]
    assert common_reasons(refused)[0] == "(2 x, for example) subject a: a gap"


def test_a_reason_that_names_nobody_is_given_the_key_of_the_one_that_it_quotes():
    refused = [
        (("sub-01", "raw/1.npy", "1.npy", "1"), "too short: 1 frame."),
        (("sub-02", "raw/2.npy", "2.npy", "2"), "too short: 2 frames."),
        (("sub-03", "raw/3.npy", "3.npy", "3"), "raw/3.npy is damaged."),
        (("sub-04", "raw/4.npy", "4.npy", "4"), "flat."),
    ]
    assert common_reasons(refused, named=True) == [
        "(1 x, sub-01) too short: 1 frame.",
        "(1 x, sub-02) too short: 2 frames.",
        "(1 x) raw/3.npy is damaged.",
        "(1 x) other reasons",
    ]
    equal = [(("sub-01", "a", "a"), "flat."), (("sub-02", "b", "b"), "flat.")]
    assert common_reasons(equal, named=True) == ["(2 x, for example sub-01) flat."]


def test_a_name_that_is_a_number_is_not_taken_out_of_other_numbers():
    reason = "participant a has several repetition times: [1.5, 2.0] s."
    assert common_reasons([(("k1", "a", "1"), reason), (("k2", "a", "2"), reason)]) == [f"(2 x) {reason}"]
