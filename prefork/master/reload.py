"""A reload, from the order to the reply: the config is read again, and the next mold gets it. Nobody waits for that.

Theory. Only a reload needs what judges a config, so only a reload pays for it, with a judge: a process that ends. One
reads at a time. Who orders a reload meanwhile has one of his own, that of all who did, and it begins when the first has
answered: so everybody is told of files that were read after he asked, and what was read last is what holds. A judge
that takes too long is ended, and so is one whom a stop has overtaken: both are a refusal, and change nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from prefork.errors import PreforkError
from prefork.master.control import granted, refused
from prefork.master.facts import ConfigRead
from prefork.master.judges import PATIENCE_S, OverdueError
from prefork.master.tls import lasting
from prefork.policy.units import NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import ServerConfig
    from prefork.master.facts import Judged
    from prefork.master.kernel import Kernel
    from prefork.master.scoreboard import Scoreboard
    from prefork.master.shadow import Shadow

_log = logging.getLogger("prefork.master")
_CONFIGS = 9
"""Those of the last reloads: a journal says where the settings of the one that is in force come from."""
_PATIENCE_NS = round(PATIENCE_S * NS)


class Reload:
    """Of one master. `read()` is what was read, or what a judge is to be asked; it raises PreforkError."""

    def __init__(
        self,
        kernel: Kernel,
        board: Scoreboard,
        read: Callable[[], ConfigRead | dict[str, Any]],
        *,
        shadow: Shadow | None = None,
        origins: dict[str, str] | None = None,
    ) -> None:
        """`origins`: dotted field -> who said it, of the first config."""
        self._kernel = kernel
        self._board = board
        self._read = read
        self._shadow = shadow
        self._known = deque([(board.config, origins or {})], maxlen=_CONFIGS)
        self._judge = 0
        """The number of the last one."""
        self._askers: set[int | None] = set()
        """Whom it reads for: clients of the control socket; None: the operator, by signal."""
        self._next_askers: set[int | None] = set()
        self.next_at: int | None = None
        """When the judge that reads has to have answered; None: none does."""

    def origins(self, config: ServerConfig) -> dict[str, str]:
        """Dotted field -> who said it, of a config that was read; a default has no entry."""
        return next((origins for each, origins in self._known if each is config), {})

    def ordered(self, client: int | None, now: int) -> None:
        """Somebody wants one; a client is owed the reply from now on."""
        self._next_askers.add(client)
        if self.next_at is None:
            self._begin(now)

    def judged(self, fact: Judged, now: int) -> None:
        """A judge has ended; the word of one that was given up is late, and means nothing."""
        if self.next_at is not None and fact.judge == self._judge:
            self._conclude(fact.answer, now)

    def looked(self, now: int) -> None:
        """A turn of the loop: what is read may be overdue, or wanted no more."""
        if self.next_at is not None and (self._board.over or now >= self.next_at):
            self._kernel.end_judge(self._judge)
            self._conclude(OverdueError(), now)

    def _begin(self, now: int) -> None:
        self._askers, self._next_askers = self._next_askers, set()
        try:
            read = _stops() if self._board.over else self._read()
        except PreforkError as error:
            read = error
        if isinstance(read, dict):
            self._judge += 1
            self.next_at = now + _PATIENCE_NS
            self._kernel.judge(self._judge, read)
        else:
            self._conclude(read, now)

    def _conclude(self, answer: ConfigRead | PreforkError, now: int) -> None:
        """Carry it out, or refuse it in one line; reply; go on with the next one."""
        self.next_at = None
        if self._board.over:
            answer = _stops()
        reply = granted(self._carry_out(answer)) if isinstance(answer, ConfigRead) else refused(answer)
        for asker in self._askers:
            if asker is not None:
                self._kernel.reply(asker, reply)
            elif isinstance(answer, PreforkError):
                _log.error("reload refused, the old config stays: %s", answer)
        if self._next_askers:
            self._begin(now)

    def _carry_out(self, read: ConfigRead) -> dict[str, Any]:
        """The next mold gets the config; returns which generation serves, and which is the newest."""
        board = self._board
        for field in ("listen", "control", "name", "journal", "shadow"):
            if _for_life(read.config, field) != _for_life(board.config, field):
                _log.warning("reload: %s has changed, and takes effect at the next start only", field)
        self._known.append((read.config, read.origins))
        self._try(read)
        board.next_config = read.config
        board.forget_failed_molds()
        board.goals.reload_wanted = True
        return {"generation": board.generation, "newest": max([board.generation, *board.molds])}

    def _try(self, read: ConfigRead) -> None:
        """The shadow's candidate. One that can't be read keeps nobody from reloading."""
        if isinstance(read.candidate, PreforkError):
            _log.warning("reload: the shadow goes on as it was: %s", read.candidate)
        elif self._shadow is not None and read.candidate is not None:
            self._shadow.take(read.candidate)


def _stops() -> PreforkError:
    return PreforkError("reload: the pool stops, and reads no config any more")


def _for_life(config: ServerConfig, field: str) -> object:
    """What a reload can't change of that field."""
    return lasting(config) if field == "listen" else getattr(config, field)
