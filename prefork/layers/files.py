"""Config files: TOML into plain values, and paths made absolute from the place that says them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from prefork.errors import ConfigError

_PLACE = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL)
_PYPROJECT = "pyproject.toml"


class ConfigFile(NamedTuple):
    """One file's settings."""

    shown: str
    """As the user named it."""
    path: Path
    """Absolute."""
    settings: dict[str, Any]


def read_file(shown: str, cwd: str, *, asked_for: bool) -> ConfigFile | None:
    """Return the settings in the file; of a pyproject.toml, its `[tool.prefork]`, or None where it has none.

    A missing file is None too, unless it was asked for. Raises ConfigError.
    """
    path = Path(cwd) / shown
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if asked_for:
            raise ConfigError(f"-c {shown}: there is no such file") from None
        return None
    except OSError as error:
        raise ConfigError(f"{shown}: it can't be read: {error.strerror}") from None
    settings = parse_toml(raw, shown)
    if path.name == _PYPROJECT:
        tool = settings.get("tool")
        settings = tool.get("prefork") if isinstance(tool, dict) else None
        if settings is None:
            return None
        if not isinstance(settings, dict):
            raise ConfigError(f"{shown}: tool.prefork: {settings!r} is not a table")
    return ConfigFile(shown, path, settings)


def parse_toml(raw: bytes, shown: str) -> Any:  # noqa: ANN401 - any TOML
    """Return the document's table. Raises ConfigError, with line and column where they are known."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(
            f"{shown}: line {line}, column {column}: byte 0x{raw[error.start]:02x} is not UTF-8"
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{shown}: {_placed(str(error), text)}") from None
    except (ValueError, RecursionError) as error:  # what it says of a number or a nest beyond all measure
        raise ConfigError(f"{shown}: it can't be read: {error}") from None


def _placed(message: str, text: str) -> str:
    """Return `line 3, column 15: what`; at the end of the document, the place where it ends."""
    found = _PLACE.fullmatch(message)
    if found is None:
        return message
    what = found["what"][:1].lower() + found["what"][1:]
    if found["line"] is not None:
        return f"line {found['line']}, column {found['column']}: {what}"
    lines = text.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}: {what}: the file ends here"


def anchored(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a copy whose files, folders and sockets have absolute paths, from `folder`; invalid ones stay."""
    anchors = {"app": _app, "listen": _listen, "control": _control, "journal": _journal, "shadow": _control}
    return settings | {key: anchors[key](settings[key], folder) for key in anchors.keys() & settings.keys()}


def app_file(name: str) -> str | None:
    """Return the file of `file.py:attribute`; None for `module:attribute`."""
    home, colon, _ = name.rpartition(":")
    return home if colon and home.endswith(".py") else None


def _app(value: Any, folder: Path) -> Any:  # noqa: ANN401 - any TOML
    file = app_file(value) if isinstance(value, str) else None
    return value if file is None else f"{folder / file}:{value.rpartition(':')[2]}"


def _listen(value: Any, folder: Path) -> Any:  # noqa: ANN401 - any TOML
    if isinstance(value, list):
        return [_listen(entry, folder) for entry in value]
    if isinstance(value, dict):
        anchors = {"url": _listen, "tls": _tls}
        return value | {key: anchors[key](value[key], folder) for key in anchors.keys() & value.keys()}
    if isinstance(value, str) and re.match(r"unix:(?!//|@).*[^/]$", value, re.DOTALL):
        return f"unix:{folder / value[len('unix:') :]}"
    return value


def _journal(value: Any, folder: Path) -> Any:  # noqa: ANN401 - any TOML
    if isinstance(value, dict) and isinstance(value.get("path"), str) and value["path"]:
        return value | {"path": str(folder / value["path"])}
    return value


def _tls(value: Any, folder: Path) -> Any:  # noqa: ANN401 - any TOML
    if not isinstance(value, dict):
        return value
    files = {key: value[key] for key in ("cert", "key", "client_ca") if isinstance(value.get(key), str) and value[key]}
    return value | {key: str(folder / file) for key, file in files.items()}


def _control(value: Any, folder: Path) -> Any:  # noqa: ANN401 - any TOML
    return str(folder / value) if isinstance(value, str) and value not in ("", "false") else value
