"""`--report` and `--png`: what would keep them from being written is told before anything is computed."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from prefork.errors import ConfigError, PreforkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.cli.comparison import Comparison
    from prefork.cli.search import Found
    from prefork.report import Content

_NEEDS = {"--report": "plotly", "--png": "matplotlib"}


def require_drawing(wanted: dict[str, str | None]) -> None:
    """Refuse files that can't be written here, or drawn with what is installed; flag -> file. Raises ConfigError."""
    for flag, file in wanted.items():
        if file is None:
            continue
        if find_spec(_NEEDS[flag]) is None:
            raise ConfigError(f"{flag} {file}: {_NEEDS[flag]} is not installed: pip install 'prefork[report]'")
        folder = Path(file).parent
        if Path(file).is_dir() or not folder.is_dir():
            raise ConfigError(f"{flag} {file}: {'it' if Path(file).is_dir() else folder} is no place for a file")
        if not os.access(file if Path(file).exists() else folder, os.W_OK):
            raise ConfigError(f"{flag} {file}: it can't be written here: permission denied")


def draw(comparison: Comparison, report: str | None, png: str | None) -> None:
    """Write what is wanted of a comparison. Raises PreforkError where the disk doesn't take it."""
    if report is None and png is None:
        return
    from prefork.report import page, picture  # noqa: PLC0415 - nobody else needs them

    content = content_of(comparison)
    _write("--report", report, lambda: page(content).encode())
    _write("--png", png, lambda: picture(content))


def draw_settings(found: Found, toml: str, report: str | None, png: str | None) -> None:
    """Write what is wanted of a search. Raises PreforkError where the disk doesn't take it."""
    if report is None and png is None:
        return
    from prefork.report import Tuned, settings_page, settings_picture  # noqa: PLC0415 - as above

    tuned = Tuned(found.told, found.search.wait, found.points, found.frontier, found.best, found.verdict, toml)
    _write("--report", report, lambda: settings_page(tuned).encode())
    _write("--png", png, lambda: settings_picture(tuned))


def content_of(comparison: Comparison) -> Content:
    """Return what is drawn of a comparison: of each candidate the first run."""
    from prefork.report.content import Column, Content, Figures  # noqa: PLC0415 - as above

    runs = [outcomes[0].run for outcomes in comparison.outcomes]
    columns = [Column(one.name, run) for one, run in zip(comparison.candidates, runs, strict=True) if run is not None]
    rows = [Figures(figure.name, figure.about, tuple(cells)) for figure, cells in comparison.rows()]
    verdicts = [(each.holds, comparison.verdict_text(each)) for each in comparison.verdicts]
    drawn = f"The curves are of seed {comparison.plan.seeds[0]}."
    return Content([*comparison.told, *([drawn] if len(comparison.plan.seeds) > 1 else [])], columns, rows, verdicts)


def _write(flag: str, file: str | None, drawn: Callable[[], bytes]) -> None:
    if file is None:
        return
    content = drawn()
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        raise PreforkError(f"{flag} {file}: it can't be written: {error.strerror}") from None
