"""A project folder to load configs from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prefork.errors import ConfigError
from prefork.layers import Loaded, Sources, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Project:
    """A current directory with files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(
        self,
        file: str | None = None,
        flags: Mapping[str, Any] | None = None,
        spelled: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Loaded:
        return load(Sources(str(self.folder), file, dict(flags or {}), dict(spelled or {}), dict(environ or {})))

    def error(self, **sources: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(**sources)
        assert caught.value.exit_code == 2
        return str(caught.value)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
