"""Fail where a file is over 400 lines or a function over 60 without its docstring: one idea a file, one screen each."""

import ast
import subprocess
import sys
from pathlib import Path

FILE, FUNCTION = 400, 60


def main() -> int:
    """Print every violation; return 1 if there is one."""
    names = subprocess.run(["git", "ls-files", "*.py"], capture_output=True, text=True, check=True).stdout.split()
    found = []
    for path in (Path(name) for name in names):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > FILE:
            found.append(f"{path}: {len(text.splitlines())} lines (at most {FILE})")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = _height(node) - (_height(node.body[0]) if ast.get_docstring(node) else 0)
                if lines > FUNCTION:
                    found.append(f"{path}:{node.lineno} {node.name}: {lines} lines (at most {FUNCTION})")
    sys.stdout.write("\n".join(found) + "\n" if found else f"caps: {len(names)} files are within their caps\n")
    return 1 if found else 0


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


if __name__ == "__main__":
    sys.exit(main())
