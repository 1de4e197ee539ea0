"""How a text file writes its table: what stands between cells, and before the decimals."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from semantoks.signals.typed_columns import MISSING

ABSENT = (*MISSING, "-nan")
NUMBER = r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?"
"""A number with a decimal comma."""
COMMAS = re.compile(NUMBER)
POINTS = re.compile(r"[-+]?(?:\d*\.\d+|\d+\.)(?:[eE][-+]?\d+)?")
"""A number with a decimal point."""
NOT_COMPUTED = re.compile(r"(?<![^\s,;|\"'])#(?:N/A|NV|N/D|[^\s,;|\"'#]{1,12}[!?])(?![^\s,;|\"'])")
"""What a spreadsheet writes for a cell that it cannot compute, in English or another language: ``#DIV/0!``, ``#NV``."""
FORTRAN = re.compile(r"(?<![^\s,;|\"])([-+]?(?:\d+\.?\d*|\.\d+))[dD]([-+]?\d{1,3})(?![^\s,;|\"])")
"""A number in double precision as Fortran writes it, ``8.8D+01``."""
BYTES = re.compile(r"b(['\"])(.*)\1")
"""How Python writes a label that it has as bytes."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What separates cells (None: blanks), what comes before decimals, and whether cells are quoted."""

    separator: str | None
    decimal: str
    quoted: bool

    def cells(self, line: str) -> list[str]:
        """Take a line apart; cells come without quotes and blanks around them."""
        if self.quoted:
            (cells,) = csv.reader([line], delimiter=self.separator or " ", skipinitialspace=True)
            cells = cells[:-1] if self.separator is None and cells[-1] == "" else cells
        else:
            cells = line.split(self.separator)
        if '"' in line or "'" in line:
            return [bare(cell) for cell in cells]
        return cells if self.separator is None else [cell.strip() for cell in cells]

    def is_number(self, cell: str) -> bool:
        """Tell whether a cell is a number, or says that it has none."""
        if "_" in cell:
            return False  # a number to Python alone
        try:
            float(cell.replace(",", ".") if self.decimal == "," else cell)
        except ValueError:
            return cell in ABSENT
        return True


def plain_numbers(text: str) -> str:
    """Write ``n/a`` for the errors of spreadsheets, which are no comments, and E for Fortran's D."""
    text = NOT_COMPUTED.sub("n/a", text) if "#" in text else text
    last = text[text.rstrip().rfind("\n") + 1 :]
    return FORTRAN.sub(r"\1E\2", text) if FORTRAN.search(last) else text


def bare(cell: str) -> str:
    """Give a cell without blanks, quotes and Python's mark of bytes around it."""
    cell = cell.strip()
    found = BYTES.fullmatch(cell)
    return found[2] if found else cell.strip('"')


def find_dialect(lines: Sequence[str]) -> Dialect:
    """Find out how a table is written, from all of its lines (at least one)."""
    last = lines[-1]
    quoted = any('"' in line for line in lines)
    apart = last.split()
    if mark := next((one for one in "\t;|" if one in last), ""):
        separator: str | None = mark
    elif "," not in last or (len(apart) > 1 and all(COMMAS.fullmatch(cell) or "," not in cell for cell in apart)):
        separator = None
    else:
        separator = ","
    if separator == ",":
        comma = re.compile(f'"{NUMBER}"')
    else:
        edge = r"\s" if separator is None else re.escape(separator)
        blanks = (
            "" if separator is None else " *"
        )  # never what the edge is, too: a line of tabs would take their square
        comma = re.compile(rf'(?:^|{edge}){blanks}"?{NUMBER}"?{blanks}(?:$|{edge})')
    decimal = "," if any(comma.search(line) for line in lines) else "."
    return Dialect(separator=separator, decimal=decimal, quoted=quoted)
