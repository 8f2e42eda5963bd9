"""Tiny distributions, really installed in a folder: for PYTHONPATH, or for sys.path."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOOK = """
from prefork.backends.contract import hookimpl
class Backend:
    'A loop that serves nobody.'
    name, contract, styles, options = "NAME", 1, {"session": "native"}, None
    def run(self, tether, listeners, app, options): pass
@hookimpl
def prefork_backends():
    return [Backend()]
"""


def install(site: Path, distribution: str, name: str, code: str) -> str:
    """A distribution with one backend; its module."""
    module = distribution.replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[prefork.backends]\n{name} = {module}\n")
    (site / f"{module}.py").write_text(code)
    return module
