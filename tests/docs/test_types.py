"""The scripts in README and guide pass the strictest of type checks, as those do that are made of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.docs.markdown import DOCS, ROOT, named

if TYPE_CHECKING:
    from pathlib import Path


def test_every_script_is_strictly_typed(tmp_path: Path) -> None:
    documents = (ROOT / "README.md", *(DOCS / name for name in ("MOVING-FROM-POE.md", "SIMULATE.md", "STYLES.md")))
    scripts = {name: text for document in documents for name, text in named(document).items()}
    files = []
    for name in [name for name in scripts if name.endswith(".py")]:
        files.append(tmp_path / name.replace("/", "_"))
        files[-1].write_text(scripts[name])
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)
    assert done.stdout == f"Success: no issues found in {len(files)} source files\n"
