"""`prefork simulate`: policies play the same load, side by side; `--expect` gates a pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from prefork.cli import options
from prefork.cli.candidates import ALL, candidate, distinct, host_of, peers_of
from prefork.cli.comparison import Comparison, show
from prefork.cli.drawing import draw, require_drawing
from prefork.cli.loads import Defaults, load_of
from prefork.cli.runs import Plan, play
from prefork.errors import ExpectationError
from prefork.simulation import Expectation
from prefork.simulation.figures import FIGURES
from prefork.simulation.peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.cli.candidates import Candidate
    from prefork.simulation import Host

Text = str | None
Texts = list[str] | None
AGAINST = options.option("Another config, which plays the same load.", "FILE")
PEER = options.option(
    "Another server's policy, at its defaults, with max_workers and max_sessions of the config: "
    f"{', '.join(PEERS)}, {ALL}.",
    "NAME",
)
EXPECT = options.option(
    "What must hold of the config that is tried, with every seed, such as 'p99_wait < 50ms', 'share_over_200ms < 1%' "
    "or 'settles_within <= 60s'; if it doesn't, the exit code is 3. Figures: "
    f"{', '.join(figure.name for figure in FIGURES)}.",
    "'NAME < VALUE'",
)
AS_JSON = options.option("Print every figure of every run as JSON.", name="--json")


def simulate(  # noqa: PLR0913 - each a flag
    *,
    config: Annotated[Text, options.CONFIG] = None,
    traffic: Annotated[Texts, options.TRAFFIC] = None,
    against: Annotated[Texts, AGAINST] = None,
    peer: Annotated[Texts, PEER] = None,
    expect: Annotated[Texts, EXPECT] = None,
    seed: Annotated[Text, options.SEED] = None,
    seeds: Annotated[Text, options.SEEDS] = None,
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
    """Play a load on a pool that isn't there, and tell what it would have been like."""
    expectations = [options.said("--expect", Expectation.of, each) for each in expect or ()]
    require_drawing({"--report": report, "--png": png})
    candidates = _candidates(host_of(spawn_time, busy), config, against or (), peer or ())
    load = load_of(traffic or (), Defaults.of(lasts, length, scale))
    seeded, many = options.seeds_of(seed, seeds, 1), options.cores_of(cores)
    plan = Plan(load.traffic, seeded, many, expectations, kept=bool(report or png))
    comparison = Comparison(candidates, play(candidates, plan), load, plan)
    if as_json:
        print(json.dumps(comparison.to_json(), indent=2))  # noqa: T201 - the command's output
    else:
        show(comparison)
    draw(comparison, report, png)
    if failed := [verdict.told for verdict in comparison.verdicts if not verdict.holds]:
        raise ExpectationError(f"{candidates[0].name} is not as expected: {'; '.join(failed)}")
    return 0


def _candidates(host: Host, config: str | None, against: Sequence[str], peers: Sequence[str]) -> list[Candidate]:
    tried = candidate(config, "-c", host)
    others = [candidate(each, "--against", host) for each in against]
    return distinct([tried, *others, *peers_of(peers, tried)])
