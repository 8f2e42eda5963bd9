"""Where a config is read from, as plain values: read again at HUP, they give what the same command line gives then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "PREFORK_"


class Sources(NamedTuple):
    """One command line and what stood around it; nothing of it is checked yet."""

    cwd: str
    """Absolute."""
    file: str | None = None
    """As given by `-c`; None: ./prefork.toml, if there is one."""
    flags: dict[str, Any] = {}  # noqa: RUF012 - never written to
    """Nested as the config is; each value is a text, or a list of texts."""
    spelled: dict[str, str] = {}  # noqa: RUF012 - never written to
    """Dotted field -> the flag as it was typed, for messages."""
    environ: dict[str, str] = {}  # noqa: RUF012 - never written to
    """The PREFORK_… variables."""

    @classmethod
    def here(
        cls,
        file: str | None = None,
        flags: Mapping[str, Any] | None = None,
        spelled: Mapping[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Sources:
        """Return the sources of a command line, here and now. Raises ConfigError if the directory is gone."""
        try:
            cwd = str(Path.cwd())
        except OSError as error:
            raise ConfigError(f"the current directory can't be named: {error.strerror}") from None
        ours = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
        return cls(cwd, file, dict(flags or {}), dict(spelled or {}), ours)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return self._asdict()

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Sources:
        """Return the sources that `to_json` made the object of."""
        return cls(**plain)
