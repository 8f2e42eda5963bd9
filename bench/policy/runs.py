"""Runs on all cores, each known by what it is and by the code that makes it: what hasn't changed isn't run again.

Theory. A run comes to a few figures; they go to a file of lines named for a hash of the sources that a run of this kind
depends on, without their comments and docstrings. A peer depends on the simulator and on little of the policy, so after
a change to demand sizing prefork's runs alone are new. The real master looks at once (`lull="0s"`); peers that act by
their clock alone are the same with fewer looks, so they get fewer. Runs are niced.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from prefork.simulation import Host, simulate
from prefork.simulation.peers import Peer

from . import loads, policies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .policies import Policy

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_CACHE = _HERE / ".cache"
_ALL = ("prefork/simulation/*.py", "bench/policy/loads.py", "bench/traces/*.csv")
_OF_PEERS = ("prefork/simulation/peers/*.py", "prefork/policy/config.py", "prefork/policy/model.py")
_OF_PREFORK = ("prefork/policy/*.py",)


class Case(NamedTuple):
    """One run."""

    policy: Policy
    load: str
    places: int
    spawn_time: float
    seed: int


class Figures(NamedTuple):
    """What is known of it."""

    slow: float
    """Share of the connections that waited over 50 ms."""
    workers: float
    """Live ones, on average."""
    flaps: int
    p99: float
    births: int
    refused: int
    offered: float
    """Sessions held, on average."""
    seconds: float


def play(case: Case) -> Figures:
    """Run it."""
    config = policies.config_of(case.policy, case.places)
    traffic = loads.BY_NAME[case.load].traffic(case.places)
    decide = policies.decide_of(case.policy)
    host = Host(spawn_time=case.spawn_time, lull="1h" if isinstance(decide, Peer) and decide.ticks_only() else "0s")
    run = simulate(config, traffic, case.seed, host, decide)
    return Figures(
        run.slow(), run.mean_workers, run.flaps, run.p99_wait, run.births(), run.refused, run.mean_sessions, run.seconds
    )


def run_all(cases: Iterable[Case], jobs: int) -> dict[Case, Figures]:
    """Return the figures of all, from the cache where they are there."""
    wanted = list(dict.fromkeys(cases))
    known = {kind: _load(kind) for kind in (True, False)}
    missing = [case for case in wanted if _key(case) not in known[case.policy.is_prefork]]
    if missing:
        _CACHE.mkdir(exist_ok=True)
        _run(missing, jobs, known)
    return {case: known[case.policy.is_prefork][_key(case)] for case in wanted}


def _run(missing: list[Case], jobs: int, known: dict[bool, dict[str, Figures]]) -> None:
    """Run what is missing, and write each result at once: an interrupted run goes on where it was."""
    begun, files = monotonic(), {kind: _file(kind).open("a", encoding="utf-8") for kind in (True, False)}
    with get_context("forkserver").Pool(jobs, initializer=os.nice, initargs=(10,)) as pool:
        for done, (case, figures) in enumerate(pool.imap_unordered(_played, missing, chunksize=8), 1):
            kind = case.policy.is_prefork
            known[kind][_key(case)] = figures
            print(json.dumps([_key(case), figures]), file=files[kind], flush=True)
            if done % 50 == 0 or done == len(missing):
                left = (monotonic() - begun) / done * (len(missing) - done)
                print(f"\r  {done} of {len(missing)} runs, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for file in files.values():
        file.close()


def _played(case: Case) -> tuple[Case, Figures]:
    return case, play(case)


def _key(case: Case) -> str:
    return f"{case.policy.name}|{case.policy.setting}|{case.load}|{case.places}|{case.spawn_time:g}|{case.seed}"


def _file(prefork: bool) -> Path:
    digest = hashlib.sha256()
    for pattern in (*_ALL, *(_OF_PREFORK if prefork else _OF_PEERS)):
        for path in sorted(_ROOT.glob(pattern)):
            digest.update(_meaning(path))
    return _CACHE / f"{'prefork' if prefork else 'peers'}-{digest.hexdigest()[:16]}.jsonl"


def _meaning(path: Path) -> bytes:
    """Return a text of the file that comments, docstrings and layout don't change."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text.encode()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return ast.dump(tree).encode()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _load(prefork: bool) -> dict[str, Figures]:
    path = _file(prefork)
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: Figures(*figures) for key, figures in map(json.loads, lines)}
