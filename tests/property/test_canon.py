"""What a search leaves out by its canonical forms: nothing. Worlds of one form are alike in all that can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork.policy import rules
from prefork.policy.model import Drain
from tests.property import themes
from tests.property.alike import Alike, unreduced
from tests.property.events import only
from tests.property.forms import Forms
from tests.property.search import search
from tests.property.themes import DEMAND, SPARE, STATIC, ZERO

if TYPE_CHECKING:
    from prefork.policy.model import WorkerView
    from tests.property.world import Seen

STARTS = {
    "spare": (SPARE.settled, SPARE, themes.EVERYTHING, 2),
    "static": (STATIC.settled, STATIC, themes.EVERYTHING, 2),
    "zero": (ZERO.settled, ZERO, themes.EVERYTHING, 2),
    "demand": (DEMAND.settled, DEMAND, themes.EVERYTHING, 2),
    "pauses": (themes.consolidated, DEMAND, themes.EVERYTHING, 2),
    "ends in debt": (lambda: STATIC.settled(indebted=True), STATIC, themes.ENDS, 4),
    "molds": (SPARE.settled, SPARE, themes.MOLDS, 4),
    "stops": (STATIC.settled, STATIC, themes.STOPS, 3),
}

FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
"""A runner of tests has threads; a part of a search takes no lock that they may hold."""


@pytest.mark.parametrize("name", STARTS)
def test_worlds_of_one_form_are_alike_and_a_search_meets_every_form(name: str) -> None:
    settled, pool, kinds, depth = STARTS[name]
    alike, forms = Alike(), Forms(16)
    unreduced(settled(), depth, only(kinds, pool.lowered), alike)
    assert alike.shared > 30
    search([settled()], depth, only(kinds, pool.lowered), forms=forms)
    rests = {after for _, after in alike.said.values()}
    assert len(forms) == len(alike.said.keys() | rests)
    assert not any(forms.claim(one, 0) for one in (*alike.said, *rests))


def test_a_rule_that_reads_what_a_form_leaves_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here: for how long somebody has been idle, where no limit asks for it."""
    silent_at = rules.silent_at

    def sooner_for_the_idle(worker: WorkerView, at: rules.Moment) -> int:
        idle_ns = 0 if worker.idle_since is None else at.now - worker.idle_since
        return silent_at(worker, at) - idle_ns

    monkeypatch.setattr(rules, "silent_at", sooner_for_the_idle)
    with pytest.raises(AssertionError):
        unreduced(SPARE.settled(), 2, only(themes.EVERYTHING, SPARE.lowered), Alike())


@FORKS
def test_two_processes_meet_what_one_does() -> None:
    alone, shared = Forms(16), Forms(16)
    found = search([SPARE.settled()], 3, only(themes.LOAD, SPARE.lowered), forms=alone)
    both = search([SPARE.settled()], 3, only(themes.LOAD, SPARE.lowered), forms=shared, cores=2)
    assert len(shared) == len(alone) > 100
    assert both.nodes >= found.nodes


def _nobody_drains(seen: Seen) -> None:
    assert not any(isinstance(decision, Drain) for decision in seen.plan.decisions)


@FORKS
def test_two_processes_tell_the_way_to_a_fault() -> None:
    start = SPARE.settled()
    start.checks = (_nobody_drains,)
    with pytest.raises(AssertionError, match=r"after: .*ask to drain"):
        search([start], 3, only(themes.STOPS, SPARE.lowered), cores=2)


def test_a_full_table_is_no_end_of_a_search() -> None:
    with pytest.raises(MemoryError, match="too few"):
        search([SPARE.settled()], 3, only(themes.LOAD, SPARE.lowered), forms=Forms(4))
