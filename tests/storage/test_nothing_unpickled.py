"""Nothing of a file can run: what could unpickle one is called nowhere, or with its safe form."""

import re
from pathlib import Path

import pytest

import semantoks

PIPES = {"signals/writer.py", "storage/apart.py"}
"""Where this process and its own workers talk to each other; no file is read so."""
RISKS = {
    r"np\.load\(.*": "allow_pickle=False",
    r"torch\.load\(.*": "weights_only=True",
    r"pickle\.loads?\(.*": "nowhere",
    r"(joblib\.load|read_pickle|yaml\.load|yaml\.unsafe_load|shelve\.open|dill\.|marshal\.load)\w*\(.*": "nowhere",
    r"(?<![\w.])(eval|exec)\(.*": "nowhere",
    r"allow_pickle=True|weights_only=False|trust_remote_code=True": "nowhere",
}


@pytest.mark.parametrize("risk", RISKS)
def test_nothing_is_unpickled_or_run(risk):
    package = Path(semantoks.__file__).parent
    for path in package.rglob("*.py"):
        if "pickle" in risk and str(path.relative_to(package)) in PIPES:
            continue
        for line in path.read_text().splitlines():
            if found := re.search(risk, line):
                assert RISKS[risk] in found[0], f"{path}: {line.strip()}"
