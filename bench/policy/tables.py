"""What the runs say, in words and figures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from . import loads
from .claims import dominated_shares, dominations, frontier, picked, pooled, savings

if TYPE_CHECKING:
    from .claims import Domination, Point, Saving
    from .runs import Case, Figures


def first(found: dict[Case, Figures]) -> None:
    """Claim 1: at its defaults prefork is never dominated by a peer at its defaults, on any load and seed."""
    told = dominations(found)
    runs = sum(case.policy.is_prefork for case in found)
    hit = len({one.case for one in told})
    near = sum(one.theirs.is_near(one.ours) for one in told)
    print("\n1. Defaults against defaults, run by run")
    print(f"   {hit} of {runs} runs of prefork are dominated ({len(told)} times, {near} of them nearly a tie)")
    for places in sorted({case.places for case in found}):
        print(f"\n   {places} place(s) a worker: runs dominated, of those with this load")
        _by_load(told, found, places)
    _held_out(told, found)
    _means(found)


def _by_load(told: list[Domination], found: dict[Case, Figures], places: int) -> None:
    for load in loads.LOADS:
        runs = [case for case in found if case.policy.is_prefork and (case.load, case.places) == (load.name, places)]
        mine = [one for one in told if (one.case.load, one.case.places) == (load.name, places)]
        if not mine:
            continue
        peers = Counter((one.peer, one.case.spawn_time) for one in mine)
        print(f"   {load.name:14} {len({one.case for one in mine}):3} of {len(runs)}")
        for who, times in peers.most_common():
            worst = max((one for one in mine if (one.peer, one.case.spawn_time) == who), key=_lead)
            text = f"{who[0]} at {who[1]:g} s"
            print(f"      {text:28} {times:2}  e.g. {_text(worst.ours)} against {_text(worst.theirs)}")


def _held_out(told: list[Domination], found: dict[Case, Figures]) -> None:
    """The loads that nobody was tuned on, by how long a birth takes."""
    uses = {load.name: load.use for load in loads.LOADS}
    runs = Counter((case.spawn_time, uses[case.load]) for case in found if case.policy.is_prefork)
    hit = Counter((case.spawn_time, uses[case.load]) for case in {one.case for one in told})
    print()
    for spawn_time, use in sorted(runs):
        print(f"   {use:8} births of {spawn_time:4g} s: {hit[spawn_time, use]:3} of {runs[spawn_time, use]}")


def _lead(one: Domination) -> float:
    return one.ours.workers - one.theirs.workers


def _means(found: dict[Case, Figures]) -> None:
    """Means over all loads, seeds and spawn times: what each axis costs whom."""
    for places in sorted({case.places for case in found}):
        print(f"\n   Means over loads, spawn times and seeds, {places} place(s) a worker; flaps an hour")
        mine = {case: its for case, its in found.items() if case.places == places}
        shares = dominated_shares(mine)
        for policy, its in sorted(pooled(mine).items(), key=lambda pair: pair[1].slow):
            print(f"   {policy.name:18} {_text(its)}; {shares[policy]:6.1%} of its runs are dominated by somebody")


def second_and_third(found: dict[Case, Figures], places: int) -> None:
    """Claims 2 and 3: tuned settings, pooled over the loads."""
    uses = {load.name: load.use for load in loads.LOADS}
    mine = {case: its for case, its in found.items() if case.places == places}
    tuning = pooled({case: its for case, its in mine.items() if uses[case.load] == "tune"})
    held_out = pooled({case: its for case, its in mine.items() if uses[case.load] == "held out"})
    print(f"\n2. Tuned, pooled over the held-out loads, {places} place(s) a worker, spawn time 0.2 s")
    peers = {policy: its for policy, its in held_out.items() if not policy.is_prefork}
    for policy, its in held_out.items():
        if not policy.is_prefork:
            continue
        over = [(one, other) for one, other in peers.items() if other.dominates(its)]
        print(f"   {policy.setting:24} {_text(its)}   {'dominated by' if over else 'not dominated'}")
        for one, other in sorted(over, key=lambda pair: pair[1].workers)[:3]:
            near = ", nearly a tie" if other.is_near(its) else ""
            print(f"      {one.name} {one.setting}: {_text(other)}{near}")
    best = frontier(held_out)
    ours = sum(policy.is_prefork for policy in best)
    print(f"   of {len(held_out)} settings {len(best)} are dominated by nobody, {ours} of them prefork's")
    print(f"\n3. Workers at equal wait and churn, {places} place(s) a worker")
    print("   each setting of prefork's is a budget of wait and flaps; the peer is who needs fewest workers within it")
    _savings("best on the held-out loads themselves", savings(held_out))
    chosen = [picked(tuning, held_out, one.policy) for one in savings(tuning)]
    _savings("chosen on the loads to tune on, measured on the held-out ones", chosen)


def _savings(title: str, told: list[Saving]) -> None:
    print(f"   {title}:")
    for one in told:
        ours = f"      {one.policy.setting:24} {_text(one.ours)}   "
        if one.peer is None or one.theirs is None or one.share is None:
            print(f"{ours}no peer keeps both")
        else:
            print(f"{ours}{one.share:+6.1%}  {one.peer.name} {one.peer.setting}: {_text(one.theirs)}")
    shares = sorted(one.share for one in told if one.share is not None)
    if shares:
        middle = shares[len(shares) // 2]
        print(f"      prefork needs {shares[0]:+.1%} to {shares[-1]:+.1%} fewer workers, {middle:+.1%} in the middle")


def _text(its: Point) -> str:
    return f"{its.slow:7.3%} slow, {its.workers:5.2f} workers, {its.flaps:6.1f} flaps"
