"""What the operator may say about the pool: the `[pool]` table, checked. Numbers left out are resolved in `limits.py`.

A field's text is its documentation: the reference, `prefork schema` and `--help` print it. 0 means off for
max_sessions, max_age, max_served, max_idle, max_rss and hard_rss; it is refused for every timeout and is a plain number
elsewhere.
"""

import re
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from prefork.policy.contradictions import pool_contradiction, recycle_contradiction
from prefork.policy.plain import Plain
from prefork.policy.units import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size

MAX_SECONDS = 1_000_000_000.0
"""31 years: in nanoseconds it still fits a signed 64-bit word."""
MIN_TIMEOUT = 0.001
MAX_COUNT = 1_000_000_000
MAX_WORKERS = 10_000
MAX_BYTES = 2**62
MAX_HEADROOM = 100
PERCENT_PATTERN = r"^[0-9]{1,4}%$"


def _no_bool(value: object) -> object:
    """Pass on what isn't a bool: pydantic would read true as 1."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")  # noqa: TRY004 - pydantic turns ValueError into its error
    return value


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else _no_bool(value)


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else _no_bool(value)


def _surge(value: object) -> object:
    """Return an int, or a percentage such as `25%`."""
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
            return int(text)
        if re.match(PERCENT_PATTERN, text, re.ASCII):
            return text
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_WORKERS:
        return value
    raise ValueError(f'{value!r} is no surge: write a number of workers, or a percentage such as "25%"')


def _duration_schema(least: float) -> WithJsonSchema:
    text = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "500ms", "2m", "1h"]}
    return WithJsonSchema({"anyOf": [{"type": "number", "minimum": least, "maximum": MAX_SECONDS}, text]})


Duration = Annotated[
    float, BeforeValidator(_duration), Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False), _duration_schema(0)
]
"""Seconds, 0 or more; also such as `30s`, `500ms`, `2m`, `1h`."""

Timeout = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=MIN_TIMEOUT, le=MAX_SECONDS, allow_inf_nan=False),
    _duration_schema(MIN_TIMEOUT),
]
"""Seconds, 1 ms or more: a timeout of 0 would end everybody at once."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0, le=MAX_BYTES),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_BYTES},
                {"type": "string", "pattern": SIZE_PATTERN, "examples": ["256MiB", "1GB"]},
            ],
        },
    ),
]
"""Bytes; also such as `256MiB` or `1GB`."""

Workers = Annotated[int, Field(ge=0, le=MAX_WORKERS), BeforeValidator(_no_bool)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT), BeforeValidator(_no_bool)]
_MOST_WORKERS_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_WORKERS}, {"const": "auto"}]}
)
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), BeforeValidator(_no_bool)]
Surge = Annotated[
    int | str,
    BeforeValidator(_surge),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_WORKERS},
                {"type": "string", "pattern": PERCENT_PATTERN, "examples": ["25%"]},
            ],
        },
    ),
]


class Table(BaseModel):
    """A table of the config: frozen, unknown keys refused; nothing but fields, for so is its plain form."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    def plain(self) -> Self:
        """The same values, for who reads them and must not keep pydantic."""
        return cast("Self", Plain({name: _plain(value) for name, value in self}))


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.plain() if isinstance(value, Table) else value


class SpareSizing(Table):
    """Keep a number of workers without a session ready."""

    kind: Literal["spare"] = Field(default="spare", description="Keep spare workers ready.")
    min_spare: Workers | None = Field(
        default=None,
        description="Fewest spare workers: fewer, and new ones are born. Left out: min_workers.",
    )
    max_spare: Workers | None = Field(
        default=None,
        description="Most spare workers: more, and idle ones go. Left out: 3 * min_spare, max_workers at most.",
    )
    hold: Duration = Field(
        default=30.0,
        description="The pool shrinks by what was spare during the whole of this time.",
    )


class StaticSizing(Table):
    """Keep a fixed number of workers."""

    kind: Literal["static"] = Field(default="static", description="Keep a fixed number of workers.")
    workers: Workers | None = Field(
        default=None,
        description="How many workers. Left out: min_workers. min_workers and max_workers, left out, follow this.",
    )


class DemandSizing(Table):
    """Keep as many workers as the load that is measured calls for."""

    kind: Literal["demand"] = Field(default="demand", description="Follow the load.")
    headroom: Annotated[float, Field(ge=0, le=MAX_HEADROOM, allow_inf_nan=False), BeforeValidator(_no_bool)] = Field(
        default=1.0,
        description="Standard deviations of the load that are kept ready beside its mean: 0 is frugal, 2 rarely waits.",
    )
    hold: Duration = Field(
        default=60.0,
        description="The pool shrinks to what was needed during the whole of this time, or of a mean session if that "
        "is longer. Bursts that come by the clock are kept for if it is longer than from one to the next. 30s: a tenth "
        "fewer workers, three times the births that only undo an end.",
    )
    target_wait: Timeout = Field(
        default=0.05,
        description="The wait for a worker that is still good; a queue that is worth less waiting calls for fewer.",
    )
    saturation: Share = Field(
        default=0.01,
        description="Share of the connections that may find the pool full because it shrank.",
    )
    min_spare: Workers | None = Field(
        default=None,
        description="Never fewer spare workers than this, whatever the load. Left out: as the load calls for.",
    )
    max_spare: Workers | None = Field(
        default=None,
        description="Never more spare workers than this, whatever the load. Left out: as the load calls for.",
    )


Sizing = Annotated[SpareSizing | StaticSizing | DemandSizing, Field(discriminator="kind")]
"""How many workers are needed. A later kind is one more model here and one more branch in `sizing.py`."""


class RecycleConfig(Table):
    """When a worker is replaced by a new one; 0 is never."""

    max_age: Duration = Field(default=0.0, description="Replace a worker that has served for so long. 0: off.")
    max_served: Count = Field(
        default=0, description="A worker accepts so many sessions, no more, and is replaced. 0: off."
    )
    max_idle: Duration = Field(
        default=0.0,
        description="Retire a worker that has held no session for so long and isn't needed, unreplaced. 0: off.",
    )
    max_rss: Size = Field(default=0, description="Replace a worker whose resident memory goes over this. 0: off.")
    hard_rss: Size = Field(
        default=0,
        description="Kill a worker whose resident memory goes over this, sessions and all. 0: off.",
    )
    jitter: Share = Field(
        default=0.1,
        description="max_age, max_served and max_rss vary by up to this share from worker to worker, always downwards, "
        "so that workers born together don't go together.",
    )
    max_unavailable: Share = Field(
        default=0.1,
        description="Share of the workers that may be in replacement at one time; at least one worker.",
    )
    max_surge: Surge = Field(
        default="25%",
        description="How far replacements may exceed max_workers, in workers or percent of it; at least one worker.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if message := recycle_contradiction(self.max_rss, self.hard_rss):
            raise ValueError(message)
        return self


class CrashConfig(Table):
    """How often the pool replaces crashing workers before it waits."""

    burst: Count | None = Field(
        default=None,
        description="So many crashes in a row are replaced at once. Left out: 3 * max_workers, at least 5.",
    )
    refill: Timeout = Field(default=10.0, description="One more crash is replaced at once after each such time.")
    healthy_after: Duration = Field(
        default=30.0,
        description="A worker that served for so long was healthy: its exit is no crash.",
    )
    max_delay: Timeout = Field(default=60.0, description="Longest wait between two births while the pool is degraded.")


class PoolConfig(Table):
    """How many workers there are, how long each step may take, and when a worker is replaced."""

    min_workers: Workers = Field(
        default=2,
        description="Fewest workers that can accept; draining ones don't count. 0: nobody until the first connection. "
        "The default gives way to a lower max_workers.",
    )
    max_workers: Annotated[int, Field(ge=1, le=MAX_WORKERS), BeforeValidator(_no_bool), _MOST_WORKERS_SCHEMA] = Field(
        default=20,
        description='Most workers, booting and draining ones included. "auto", in a file, a variable or a flag: what '
        "the CPUs (affinity, cgroup quota) and half of the memory (cgroup limit) are good for; `prefork check` shows "
        "the arithmetic.",
    )
    start_workers: Workers | None = Field(
        default=None,
        description="How many workers to start with. Left out: min_workers.",
    )
    max_sessions: Count = Field(default=0, description="Sessions that one worker may hold at a time. 0: no limit.")
    heartbeat_interval: Timeout = Field(default=5.0, description="How often a worker's loop shows that it turns.")
    heartbeat_timeout: Timeout = Field(
        default=30.0,
        description="A worker whose loop has not turned for so long is dumped, aborted and killed.",
    )
    import_timeout: Timeout = Field(default=60.0, description="Longest time for the import of the app.")
    boot_timeout: Timeout = Field(
        default=30.0,
        description="Longest time from fork to ready; births that wait their turn at the mold wait no part of it.",
    )
    drain_timeout: Timeout = Field(default=30.0, description="Longest time to finish sessions once told to go.")
    stop_delay: Duration = Field(
        default=0.0,
        description="How long the pool goes on accepting after a stop was ordered, for load balancers to notice.",
    )
    sizing: Sizing = Field(default=DemandSizing(), description="How many workers are needed.")
    recycle: RecycleConfig = Field(default=RecycleConfig(), description="When a worker is replaced.")
    crash: CrashConfig = Field(default=CrashConfig(), description="What happens when workers crash.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name, value in self._followed().items():
            object.__setattr__(self, name, value)  # frozen for everyone but its own construction
        if message := pool_contradiction(self):
            raise ValueError(message)
        return self

    def _followed(self) -> dict[str, Any]:
        """Return bounds that were left out and follow what was given."""
        given = self.model_fields_set
        if isinstance(self.sizing, StaticSizing) and self.sizing.workers is not None:
            low, high = self.sizing.workers, max(1, self.sizing.workers)
        else:
            low, high = min(self.min_workers, self.max_workers), self.max_workers
        bounds = {"min_workers": low, "max_workers": high}
        return {name: value for name, value in bounds.items() if name not in given}
