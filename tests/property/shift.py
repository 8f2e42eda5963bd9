"""A view, a memory and a plan moved in time by one and the same step."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from prefork.policy.memory import Memory, Plan
from prefork.policy.model import Because

if TYPE_CHECKING:
    from prefork.policy.model import PoolView

STEP = 12_345_678_901
_INSTANTS = ("_at", "_by", "_since", "_now")
_NO_INSTANTS = ("paused_by",)


def view(one: PoolView) -> PoolView:
    moved: PoolView = _moved(one)
    return moved._replace(
        now=one.now + STEP,
        workers=tuple(map(_moved, one.workers)),
        molds=tuple(map(_moved, one.molds)),
        exits=tuple(_moved(exit_)._replace(at=exit_.at + STEP) for exit_ in one.exits),
    )


def memory(one: Memory) -> Memory:
    moved: Memory = _moved(one)
    return moved._replace(
        forced_molds=tuple((generation, at + STEP) for generation, at in one.forced_molds),
        window=tuple((at + STEP, spare) for at, spare in one.window),
        demand=_moved(one.demand)._replace(
            needs=tuple((at + STEP, need) for at, need in one.demand.needs),
            slots=tuple((at + STEP, weights) for at, weights in one.demand.slots),
        ),
    )


def plan(one: Plan) -> Plan:
    decisions = tuple(_moved(each)._replace(because=_because(each.because)) for each in one.decisions)
    held = tuple(each._replace(because=_because(each.because)) for each in one.withheld)
    return Plan(decisions, held, _later(one.next_check_at), memory(one.memory))


def _because(one: Because) -> Because:
    """Figures that are instants move too."""
    return Because(one.reason, tuple((name, _later(x) if name.endswith(_INSTANTS) else x) for name, x in one.figures))


def _moved(record: Any) -> Any:
    return record._replace(**{name: _later(getattr(record, name)) for name in _instants(record.__class__)})


@cache
def _instants(kind: Any) -> tuple[str, ...]:
    """Of a record: the names of its fields that are instants."""
    return tuple(name for name in kind._fields if f"_{name}".endswith(_INSTANTS) and name not in _NO_INSTANTS)


def _later(at: Any) -> Any:
    """0 is how memory says never."""
    return at + STEP if isinstance(at, int) and at else at
