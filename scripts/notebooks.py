"""Run the notebooks in docs/notebooks and keep what they print: `python scripts/notebooks.py`. Their code is plain Python,
so no kernel is needed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"


def run(content: dict[str, Any]) -> list[list[str]]:
    """Run a notebook's code cells in turn, in the current folder -> the lines that each prints."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for number, cell in enumerate(cell for cell in content["cells"] if cell["cell_type"] == "code"):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
        printed.append(text.getvalue().splitlines(keepends=True))
    return printed


def kept(content: dict[str, Any], printed: list[list[str]]) -> dict[str, Any]:
    """The notebook with what its code cells printed."""
    lines = iter(printed)
    cells = []
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            text = next(lines)
            outputs = [{"name": "stdout", "output_type": "stream", "text": text}] if text else []
            cell = cell | {"outputs": outputs, "execution_count": None}
        cells.append(cell)
    return content | {"cells": cells}


def main() -> None:
    for path in sorted(FOLDER.glob("*.ipynb")):
        content = json.loads(path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            content = kept(content, run(content))
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        path.with_suffix(".tmp").write_text(text, encoding="utf-8")
        os.replace(path.with_suffix(".tmp"), path)
        print(path)


if __name__ == "__main__":
    main()
