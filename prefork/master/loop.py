"""The one loop of the master: look, decide, perform, wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prefork import wire
from prefork.errors import ConfigError
from prefork.master.facts import Asked, Judged, ListenerReadable, Signalled, WorkerSaid
from prefork.master.watch import ListenerWatch
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.master.effects import Effects
    from prefork.master.facts import Fact, Performed
    from prefork.master.kernel import Kernel
    from prefork.master.orders import Orders
    from prefork.master.reporter import Reporter
    from prefork.master.scoreboard import Scoreboard
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Plan
    from prefork.policy.model import PoolView


class Witness(Protocol):
    """Sees all that happens, and can do nothing about it."""

    def looked(self, pool: PoolConfig, memory: Memory, view: PoolView, plan: Plan) -> None:
        """The policy has spoken; `memory`: as it was before. Nothing is performed yet."""

    def performed(self, done: Performed) -> None:
        """A decision was carried out."""

    def learned(self, fact: Fact, now: int) -> None:
        """The master comes to know."""


class Loop:
    """Runs until the board is finished. The first generation's app is there before anything is bound."""

    def __init__(  # noqa: PLR0913 - the parts of a master
        self,
        kernel: Kernel,
        board: Scoreboard,
        effects: Effects,
        orders: Orders,
        reporter: Reporter,
        *,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        self._kernel = kernel
        self._board = board
        self._effects = effects
        self._orders = orders
        self._reload = orders.reload
        self._reporter = reporter
        self._witnesses = witnesses
        self._watch = ListenerWatch(len(kernel.queues()))
        self._memory = Memory()
        self._looked_at = 0

    def run(self) -> None:
        """Serve until a stop has been carried out."""
        while not self._board.finished:
            plan = self._decide()
            for fact in self._wait(plan):
                self._learn(fact)
            self._reload.looked(self._kernel.now())

    def _decide(self) -> Plan:
        board = self._board
        board.watched(self._watch.readable)
        view = board.view(self._kernel)
        pool, before = board.pool, self._memory
        plan = decide(pool, view, before)
        self._memory = plan.memory
        for witness in self._witnesses:
            witness.looked(pool, before, view, plan)
        board.planned(plan)
        for decision in plan.decisions:
            done = self._effects.perform(decision, view.now)
            self._reporter.performed(done)
            for witness in self._witnesses:
                witness.performed(done)
            board.learn(done, view.now)
        self._effects.tell(view.now)
        self._looked_at = view.now
        self._watch.looked(calm=not plan.decisions and _is_served(view))
        return plan

    def _wait(self, plan: Plan) -> list[Fact]:
        """Facts, or none when it is time for another look.

        That a listener is armed again calls for no look; that connections come, in a stream, for none at once.
        """
        known = (plan.next_check_at, self._effects.next_at, self._reload.next_at)
        until = min((each for each in known if each is not None), default=None)
        while True:
            self._hand_on(plan)
            errand = self._watch.next_at
            facts = self._kernel.wait(until if errand is None else errand if until is None else min(until, errand))
            due = self._watch.may_wait(self._looked_at) if all(map(_tells_of_arrivals, facts)) else None
            if facts and due is not None:
                for fact in facts:
                    self._learn(fact)
                until = due if until is None else min(until, due)
            elif facts:
                return facts
            if until is not None and self._kernel.now() >= until:
                return []

    def _hand_on(self, plan: Plan) -> None:
        """See to connections that nobody took; then look at the listeners again."""
        now = self._kernel.now()
        if self._watch.overdue(now):
            accepting = self._board.accepting(self._kernel)
            if not accepting and not plan.decisions and not self._board.count(Phase.BOOTING):
                self._watch.slow_down()
            for worker in self._watch.whom_to_nudge(now, accepting, self._board.accepted(self._kernel)):
                self._kernel.ring(worker)
        self._watch.arm_due(now, self._kernel.arm)

    def _learn(self, fact: Fact) -> None:
        now = self._kernel.now()
        self._reporter.learned(fact, now)
        for witness in self._witnesses:
            witness.learned(fact, now)
        match fact:
            case ListenerReadable(listener):
                self._watch.fired(listener, now)
            case Signalled():
                self._orders.signalled(fact, now)
            case Asked():
                if (answer := self._orders.answer(fact, now)) is not None:
                    self._kernel.reply(fact.client, answer)
            case Judged():
                self._reload.judged(fact, now)
            case _:
                before = self._board.generation
                self._board.learn(fact, now)
                if self._board.generation and not before:
                    self._listen(now)

    def _listen(self, now: int) -> None:
        """The first mold is READY: clients may come, unless the pool is to stop already."""
        if self._board.goals.stop_at is not None:
            return
        try:
            urls = self._kernel.listen()
        except ConfigError as error:
            self._board.cannot_go_on(error, now)
        else:
            self._reporter.listening(urls)


def _tells_of_arrivals(fact: Fact) -> bool:
    """Whether it says that somebody came, and nothing else."""
    match fact:
        case ListenerReadable() | WorkerSaid(_, wire.Bell()):
            return True
        case _:
            return False


def _is_served(view: PoolView) -> bool:
    """Nobody boots, and somebody may accept."""
    accepts = [each for each in view.workers if each.phase is Phase.SERVING and not each.full and not each.paused_by]
    return bool(accepts) and not any(each.phase is Phase.BOOTING for each in view.workers)
