"""The frontier as a table, with the suggested setting marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from prefork.cli.tables import out, table_of
from prefork.simulation.figures import Unit, value_text

if TYPE_CHECKING:
    from prefork.cli.search import Found
    from prefork.simulation.frontier import Point

MOST_ROWS = 20


def show(found: Found, toml: str) -> None:
    """Print it, and the config of the best."""
    console = out()
    for line in found.told:
        console.print(Text(line))
    console.print()
    points = _thinned(found)
    bounds = len({point.setting[2:] for point in points}) > 1
    columns = ("headroom", "hold", *(("min", "max") if bounds else ()), f"over {found.search.wait}", "workers")
    console.print(table_of((*columns, "flaps/h", ""), [_cells(found, point, bounds=bounds) for point in points]))
    if len(points) < len(found.frontier):
        console.print(Text(f"({len(points)} of {len(found.frontier)} are shown; --json has all)"))
    if found.best.at_max:
        most = found.best.setting.max_workers
        console.print(Text(f"the marked one reached its max_workers ({most}): with more, fewer may wait"))
    console.print(Text(f"\n{toml}"), end="")


def _thinned(found: Found) -> list[Point]:
    """Return the best and evenly chosen others of the frontier, fewest workers first."""
    points = found.frontier
    every = -(-len(points) // MOST_ROWS)
    chosen = {point.setting: point for point in (*points[::every], found.best)}
    return sorted(chosen.values(), key=lambda point: point.workers)


def _cells(found: Found, point: Point, *, bounds: bool) -> tuple[str, ...]:
    setting = point.setting
    own = (str(setting.min_workers), str(setting.max_workers)) if bounds else ()
    figures = (value_text(point.slow, Unit.SHARE), value_text(point.workers, Unit.NUMBER), f"{point.flaps:.1f}")
    return (
        f"{setting.headroom:g}",
        f"{setting.hold}s",
        *own,
        *figures,
        f"<- {found.verdict}" if point is found.best else "",
    )
