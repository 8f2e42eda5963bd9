"""What a mold imports, and what it leaves out."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from prefork.mold.importing import Imports, import_all
from tests.distributions import HOOK, install

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_WITHOUT = ("importlib.metadata", "email", "zipfile", "lzma", "difflib", "pydantic", "asyncio", "ssl")


def _wanted(backend: str, folder: Path | None = None) -> Imports:
    path = [*([] if folder is None else [str(folder)]), *sys.path]
    return Imports("tests.apps.lines:Echo", backend, {}, path, None)


def test_what_only_the_look_for_plugins_needs_stays_out_of_a_mold() -> None:
    code = (
        "import sys; from prefork.mold.importing import Imports, import_all\n"
        "import_all(Imports('tests.apps.lines:Echo', 'selectors', {}, sys.path, None))\n"
        f"print([each for each in {_WITHOUT!r} if each in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_a_plugin_is_found_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path[:])
    module = install(tmp_path, "aside-x1", "aside", HOOK.replace("NAME", "aside"))
    assert type(import_all(_wanted("aside", tmp_path)).backend).__module__ == module


def test_where_no_process_is_to_be_had_the_mold_looks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(os, "fork", refused)
    before = len(os.listdir("/proc/self/fd"))
    assert import_all(_wanted("selectors")).backend.name == "selectors"
    assert len(os.listdir("/proc/self/fd")) == before
