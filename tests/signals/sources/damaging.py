"""Ways to damage a file: cut it off, flip its bytes, write it in another encoding, put odd cells into it."""

from hypothesis import strategies as st

ODD_CELLS = (
    *(
        "inf",
        "-inf",
        "nan",
        "1e999",
        "1_000",
        "0x10",
        "1,5",
        "1.5.5",
        "--",
        "",
        "n/a",
        "None",
        "true",
        "NULL",
        '"',
        "'",
    ),
    *("#", "=1+1", "\u0661\u0662", "\u221e", "\x00", "1\x00", "\x0c", " ", "9" * 400, "-0", "1e-400", "é", "1 2", "\t"),
    *("\r", "\x85", "\u2028", "1d3", "1e+", "+1", "infinity", "1.", ".5", "1e5", "\u22121", "1\u00a0000", "#1"),
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "cp037", "utf-8-sig")
LINE_ENDS = (b"\r", b"\r\n", b"\x00", b"\x0b", b"\x0c", b"\n\n", b"", b" ", b"\xc2\x85", b"\xe2\x80\xa8")


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Contents that differ from ``whole`` in one way or another."""
    place = st.integers(0, max(0, len(whole) - 1))
    flips = st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=8)
    return st.one_of(
        cut(whole),
        flips.map(lambda changes: _flipped(whole, changes)),
        st.tuples(place, st.binary(min_size=1, max_size=40)).map(lambda t: whole[: t[0]] + t[1] + whole[t[0] :]),
        st.tuples(place, place).map(lambda t: whole[: t[0]] + whole[min(t) : max(t)] + whole[t[0] :]),
        st.tuples(place, st.integers(1, 64)).map(lambda t: whole[: t[0]] + whole[t[0] + t[1] :]),
        st.binary(max_size=200),
        st.tuples(st.integers(1, 16), st.binary(max_size=200)).map(lambda t: whole[: t[0]] + t[1]),
        st.sampled_from((b"x\t", b"1\t", b'{"a":', b"[", b"1,")).map(lambda cell: cell * 20_000 + b"\n" + whole),
        st.tuples(place, st.sampled_from(ODD_CELLS)).map(lambda t: _with_cell(whole, *t)),
    )


def cut(whole: bytes) -> st.SearchStrategy[bytes]:
    """Less of the same; often near an end, where it hurts least."""
    near = st.integers(max(0, len(whole) - 40), max(0, len(whole) - 1))
    return st.one_of(st.integers(0, max(0, len(whole) - 1)), near).map(lambda length: whole[:length])


def written_otherwise(whole: bytes) -> list[bytes]:
    """The same text in other encodings and with other ends of lines."""
    text = whole.decode("latin-1")
    return [text.encode(name) for name in ENCODINGS] + [whole.replace(b"\n", end) for end in LINE_ENDS]


def _flipped(whole: bytes, changes: list[tuple[int, int]]) -> bytes:
    held = bytearray(whole or b"\0")
    for position, value in changes:
        held[position] = value
    return bytes(held)


def _with_cell(whole: bytes, start: int, cell: str) -> bytes:
    """Put ``cell`` in the place of the one that begins after ``start``."""
    begin = next((i for i in range(start, len(whole)) if whole[i] in b"\t, \n:"), 0) + 1
    end = next((i for i in range(begin, len(whole)) if whole[i] in b"\t, \n}"), len(whole))
    return whole[:begin] + cell.encode() + whole[end:]
