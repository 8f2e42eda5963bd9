"""A shadow decides on the live views, and nothing of that reaches the kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from prefork.master.loop import Loop
from prefork.master.shadow import Shadow
from prefork.policy.config import PoolConfig
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import MoldPhase, MoldView, Phase, PoolView, WorkerId, WorkerView
from tests.unit.master.master import SECOND, FakeMaster

if TYPE_CHECKING:
    from prefork.journal.entries import Note

POOL: dict[str, Any] = {
    "min_workers": 2,
    "max_workers": 8,
    "max_sessions": 1,
    "sizing": {"kind": "spare", "hold": "2s"},
}
WATCHED = ("start_mold", "end_mold", "fork", "tell", "ring", "signal", "seal", "shut")


def called(shadow: Shadow | None) -> list[tuple[Any, ...]]:
    """Every order that reaches the kernel, in a life with a crowd, a crash and a hung worker."""
    master = FakeMaster(heartbeat_timeout="4s", heartbeat_interval="1s", **POOL)
    calls: list[tuple[Any, ...]] = []

    def watch(name: str) -> None:
        real = getattr(master.kernel, name)

        def watched(*args: Any, **named: Any) -> Any:
            calls.append((name, master.kernel.now(), *args, *named.values()))
            return real(*args, **named)

        setattr(master.kernel, name, watched)

    for name in WATCHED:
        watch(name)
    witnesses = [] if shadow is None else [shadow]
    master.loop = Loop(master.kernel, master.board, master.effects, master.orders, master.reporter, witnesses=witnesses)
    master.kernel.after(SECOND, lambda: [master.kernel.connect(3 * SECOND) for _ in range(6)])
    master.kernel.after(6 * SECOND, lambda: master.kernel.die(WorkerId(1), code=1))
    master.kernel.after(9 * SECOND, lambda: setattr(master.kernel.workers[WorkerId(2)], "stuck", True))
    master.run(20)
    return calls


CANDIDATES = {
    "another size": PoolConfig(min_workers=6, max_workers=50, max_sessions=1),
    "nobody": PoolConfig(min_workers=0, max_workers=1, max_sessions=1),
    "impatient": PoolConfig(heartbeat_interval=0.1, heartbeat_timeout=0.5, drain_timeout=0.1, boot_timeout=0.001),
}


@pytest.mark.parametrize("name", CANDIDATES)
def test_no_decision_of_a_shadow_reaches_the_kernel(name: str) -> None:
    notes: list[Note] = []
    shadow = Shadow("candidate.toml", CANDIDATES[name], notes.append)
    assert called(shadow) == called(None)
    status = shadow.status(0)
    assert status["otherwise"] > 0
    assert {note.what for note in notes} == {"shadow"}


def test_the_same_policy_differs_nowhere() -> None:
    same = FakeMaster(heartbeat_timeout="4s", heartbeat_interval="1s", **POOL).config.pool
    shadow = Shadow("candidate.toml", same, lambda note: pytest.fail(note.text))
    called(shadow)
    status = shadow.status(0)
    assert (status["otherwise"], status["recent"]) == (0, [])
    assert status["decisions"]["spawn start"] == 2
    assert status["looks"] > 20


def test_what_it_wants_and_does_not_get_is_told_once() -> None:
    notes: list[Note] = []
    called(Shadow("candidate.toml", CANDIDATES["another size"], notes.append))
    births = [note.text for note in notes if re.match(r"would spawn \d \(start: [^;]*start_workers 6", note.text)]
    assert len(births) == 1


def test_a_wish_that_grows_is_told_again_with_its_figures_and_one_that_is_granted_is_not() -> None:
    notes: list[Note] = []
    shadow = Shadow("candidate.toml", PoolConfig(max_workers=50, max_sessions=1), notes.append)
    nothing = Plan((), (), None, Memory())
    for now, queue in enumerate([0, 2, 2, 40, 40, 41]):
        worker = WorkerView(WorkerId(1), 1, Phase.SERVING, 0, sessions=1, ready_at=0, heard_at=SECOND, full=True)
        mold = MoldView(1, MoldPhase.READY, 0)
        view = PoolView(SECOND + now, 1, 1, (worker,), (mold,), queue=queue, arrivals=queue)
        shadow.looked(PoolConfig(), Memory(), view, nothing)
    grown = [note.text for note in notes if " by now (demand: need " in note.text]
    assert 0 < len(grown) < 4


def test_a_candidate_that_has_changed_is_tried_from_the_reload_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    shadow = Shadow("candidate.toml", CANDIDATES["nobody"], lambda _: None)
    view = PoolView(SECOND, 1, 1, (), (MoldView(1, MoldPhase.READY, 0),))
    shadow.looked(PoolConfig(), Memory(), view, Plan((), (), None, Memory()))
    assert shadow.status(0)["decisions"] == {}
    shadow.take(CANDIDATES["nobody"])
    assert not caplog.records
    shadow.take(CANDIDATES["another size"])
    assert caplog.records[-1].getMessage() == "shadow candidate.toml: it has changed, and is tried from now on"
    shadow.looked(PoolConfig(), Memory(), view, Plan((), (), None, Memory()))
    assert shadow.status(0)["decisions"] == {"spawn start": 6}
