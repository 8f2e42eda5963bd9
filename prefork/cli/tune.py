"""`prefork tune`: the frontier of demand sizing for a load, and the setting with the fewest workers within budgets."""

from __future__ import annotations

import json
import re
from typing import Annotated

from prefork.cli import options
from prefork.cli.candidates import candidate, host_of
from prefork.cli.drawing import draw_settings, require_drawing
from prefork.cli.frontier_table import show
from prefork.cli.loads import Defaults, load_of
from prefork.cli.search import Search, search
from prefork.cli.settings import base_of, toml_of
from prefork.errors import ExpectationError
from prefork.policy.units import nanoseconds, parse_duration
from prefork.simulation.frontier import Budgets

Text = str | None
WAIT = options.option("The longest wait that is still good. Left out: 50ms.", "TIME")
SHARE = options.option("Share of the connections that may wait longer. Left out: 1%.", "SHARE")
FLAPS = options.option(
    "Births an hour that may undo an end of the last 30 s, such as 10. Left out: 60, one a minute.", "N-per-hour"
)
BASE = options.option(
    "The config whose settings are varied: min_workers, max_workers, max_sessions and the rest are its own. Left out: "
    "./prefork.toml, or the defaults.",
    "FILE",
    ("--config", "-c"),
)
AS_JSON = options.option("Print every setting that was tried as JSON.", name="--json")


def tune(  # noqa: PLR0913 - each a flag
    *,
    config: Annotated[Text, BASE] = None,
    traffic: Annotated[list[str] | None, options.TRAFFIC] = None,
    wait: Annotated[Text, WAIT] = None,
    share: Annotated[Text, SHARE] = None,
    flaps: Annotated[Text, FLAPS] = None,
    seed: Annotated[Text, options.SEED] = None,
    seeds: Annotated[Text, options.TUNED_SEEDS] = None,
    length: Annotated[Text, options.LENGTH] = None,
    lasts: Annotated[Text, options.LASTS] = None,
    scale: Annotated[Text, options.SCALE] = None,
    spawn_time: Annotated[Text, options.SPAWN_TIME] = None,
    busy: Annotated[Text, options.BUSY] = None,
    report: Annotated[Text, options.REPORT] = None,
    png: Annotated[Text, options.PNG] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    cores: Annotated[Text, options.CORES] = None,
) -> int:
    """Find the settings for a load: the frontier of wait, workers and churn, and the suggested config."""
    require_drawing({"--report": report, "--png": png})
    limit = options.said("--wait", _wait, wait or "50ms")
    budgets = _budgets(share or "1%", flaps or "60")
    base = base_of(candidate(config, "-c", host_of(spawn_time, busy)), limit)
    load = load_of(traffic or (), Defaults.of(lasts, length, scale))
    wanted = Search(base, load, limit, budgets, options.seeds_of(seed, seeds, 3), options.cores_of(cores))
    found = search(wanted)
    toml = toml_of(base, found.best.setting)
    if as_json:
        print(json.dumps({**found.to_json(), "toml": toml}, indent=2))  # noqa: T201 - the command's output
    else:
        show(found, toml)
    draw_settings(found, toml, report, png)
    if not found.met:
        raise ExpectationError(f"tune: no setting keeps {found.budgets_text}: the nearest is marked")
    return 0


def _budgets(share: str, flaps: str) -> Budgets:
    return Budgets(options.said("--share", options.share_of, share), options.said("--flaps", _flaps, flaps))


def _wait(text: str) -> str:
    if not nanoseconds(parse_duration(text)):
        raise ValueError(f"{text} is no wait: write such as 50ms")
    return text


def _flaps(text: str) -> float:
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:/h|-per-hour|/hour)?\s*", text, re.ASCII)
    if found is None:
        raise ValueError(f"{text!r} is no number an hour: write such as 10 or 10-per-hour")
    return float(found[1])
