"""The effective policy: every number resolved, in the integers that the engine computes with; and how it came about."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from prefork.policy.units import duration_text, nanoseconds, size_text

if TYPE_CHECKING:
    from prefork.policy.config import PoolConfig

PPM = 1_000_000
"""Shares are integers, in parts per million."""
UNBOUNDED = 1 << 40
"""More workers than any config allows."""


class Limits(NamedTuple):
    """A PoolConfig with nothing left out: nanoseconds, bytes, counts, parts per million."""

    min_workers: int
    max_workers: int
    start_workers: int
    max_sessions: int
    heartbeat_interval_ns: int
    heartbeat_timeout_ns: int
    import_timeout_ns: int
    boot_timeout_ns: int
    drain_timeout_ns: int
    stop_delay_ns: int
    sizing: Literal["spare", "static", "demand"]
    min_spare: int
    """0 for other kinds of sizing, as are max_spare and hold_ns. Demand without a max_spare: UNBOUNDED."""
    max_spare: int
    hold_ns: int
    workers: int
    """0 for other kinds of sizing than static."""
    headroom_ppm: int
    """0 for other kinds of sizing than demand, as are target_wait_ns and saturation_ppm."""
    target_wait_ns: int
    saturation_ppm: int
    max_age_ns: int
    max_served: int
    max_idle_ns: int
    max_rss_bytes: int
    hard_rss_bytes: int
    jitter_ppm: int
    max_unavailable_ppm: int
    max_surge: int
    """In workers, at least 1."""
    crash_burst: int
    outside_burst: int
    refill_ns: int
    healthy_after_ns: int
    max_delay_ns: int

    @staticmethod
    def of(config: PoolConfig) -> Limits:
        """Resolve a config; the same config again costs a look-up, and the same object less than that."""
        for latest, limits in _LATEST:
            if latest is config:
                return limits
        limits = _resolved(config)  # pyright: ignore[reportArgumentType]  # frozen, so pydantic gives it a hash
        _LATEST[:] = [(config, limits)]
        return limits


_LATEST: list[tuple[PoolConfig, Limits]] = []
"""The config that was asked for last, as by nearly all looks: its hash costs more than all the rest of a look-up."""


class Row(NamedTuple):
    """One line of the effective policy, as `prefork check` prints it."""

    field: str
    """Dotted, as in the file: `sizing.max_spare`."""
    value: str
    origin: str
    """What a number left out was derived from; empty for one that stands for itself."""


def explain(config: PoolConfig) -> list[Row]:
    """Every field of the pool in the order of the model, with its effective value."""
    limits = Limits.of(config)
    return [
        *_pool_rows(config, limits),
        *_sizing_rows(config, limits),
        *_recycle_rows(limits),
        *_crash_rows(config, limits),
    ]


def arithmetic(config: PoolConfig) -> str:
    """How the number of workers comes about, in words; empty for a kind whose numbers say it."""
    limits = Limits.of(config)
    if limits.sizing != "demand":
        return ""
    formula = "busy loops / 0.7, and 1 more while somebody waits"
    if limits.max_sessions:
        ahead = f"{limits.headroom_ppm / PPM:g} standard deviations, one birth ahead"
        formula = f"(arrivals a second * session time + {ahead}) / {limits.max_sessions} sessions each"
    return f"{formula}; {limits.min_workers} to {limits.max_workers} workers, kept for {duration_text(limits.hold_ns)}"


@lru_cache(maxsize=64)
def _resolved(config: PoolConfig) -> Limits:
    """Resolve every number; configs are frozen, so a cache is pure."""
    recycle, crash, high = config.recycle, config.crash, config.max_workers
    low = min(config.min_workers, high)
    sizing = _sizing(config, low)
    start = low if config.start_workers is None else config.start_workers
    return Limits(
        min_workers=low,
        max_workers=high,
        start_workers=sizing.workers if config.sizing.kind == "static" else start,
        max_sessions=config.max_sessions,
        heartbeat_interval_ns=nanoseconds(config.heartbeat_interval),
        heartbeat_timeout_ns=nanoseconds(config.heartbeat_timeout),
        import_timeout_ns=nanoseconds(config.import_timeout),
        boot_timeout_ns=nanoseconds(config.boot_timeout),
        drain_timeout_ns=nanoseconds(config.drain_timeout),
        stop_delay_ns=nanoseconds(config.stop_delay),
        sizing=config.sizing.kind,
        **sizing._asdict(),
        max_age_ns=nanoseconds(recycle.max_age),
        max_served=recycle.max_served,
        max_idle_ns=nanoseconds(recycle.max_idle),
        max_rss_bytes=recycle.max_rss,
        hard_rss_bytes=recycle.hard_rss,
        jitter_ppm=round(recycle.jitter * PPM),
        max_unavailable_ppm=round(recycle.max_unavailable * PPM),
        max_surge=_surge(recycle.max_surge, high),
        crash_burst=max(5, 3 * high) if crash.burst is None else crash.burst,
        outside_burst=max(20, 4 * high),
        refill_ns=nanoseconds(crash.refill),
        healthy_after_ns=nanoseconds(crash.healthy_after),
        max_delay_ns=nanoseconds(crash.max_delay),
    )


class _Sizing(NamedTuple):
    """The fields of Limits that are a kind's own."""

    min_spare: int = 0
    max_spare: int = 0
    hold_ns: int = 0
    workers: int = 0
    headroom_ppm: int = 0
    target_wait_ns: int = 0
    saturation_ppm: int = 0


def _sizing(config: PoolConfig, low: int) -> _Sizing:
    """Resolve the numbers of the kind."""
    sizing = config.sizing
    match sizing.kind:
        case "static":
            return _Sizing(workers=low if sizing.workers is None else sizing.workers)
        case "spare":
            fewest = low if sizing.min_spare is None else sizing.min_spare
            most = min(config.max_workers, 3 * fewest) if sizing.max_spare is None else sizing.max_spare
            return _Sizing(fewest, most, nanoseconds(sizing.hold))
        case "demand":  # pragma: no branch - the last kind
            return _Sizing(
                min_spare=sizing.min_spare or 0,
                max_spare=UNBOUNDED if sizing.max_spare is None else sizing.max_spare,
                hold_ns=nanoseconds(sizing.hold),
                headroom_ppm=round(sizing.headroom * PPM),
                target_wait_ns=nanoseconds(sizing.target_wait),
                saturation_ppm=round(sizing.saturation * PPM),
            )


def _surge(surge: int | str, high: int) -> int:
    """Return a surge in workers; percentages are of max_workers, rounded down."""
    return max(1, surge if isinstance(surge, int) else high * int(surge.rstrip("%")) // 100)


def _pool_rows(config: PoolConfig, limits: Limits) -> list[Row]:
    given = config.model_fields_set
    static = config.sizing.kind == "static" and config.sizing.workers is not None
    lowered = type(config).model_fields["min_workers"].default != limits.min_workers
    low = "sizing.workers" if static else "max_workers" if lowered else ""
    start = "sizing.workers" if config.sizing.kind == "static" else "min_workers"
    return [
        Row("min_workers", str(limits.min_workers), "" if "min_workers" in given else low),
        Row("max_workers", str(limits.max_workers), "sizing.workers" if static and "max_workers" not in given else ""),
        Row("start_workers", str(limits.start_workers), start if config.start_workers is None else ""),
        Row("max_sessions", str(limits.max_sessions) if limits.max_sessions else "no limit", ""),
        *(
            Row(name, duration_text(getattr(limits, f"{name}_ns")), "")
            for name in (
                "heartbeat_interval",
                "heartbeat_timeout",
                "import_timeout",
                "boot_timeout",
                "drain_timeout",
                "stop_delay",
            )
        ),
    ]


def _sizing_rows(config: PoolConfig, limits: Limits) -> list[Row]:
    sizing = config.sizing
    kind = Row("sizing.kind", sizing.kind, "")
    match sizing.kind:
        case "static":
            return [kind, Row("sizing.workers", str(limits.workers), "min_workers" if sizing.workers is None else "")]
        case "spare":
            fewest = "min_workers" if sizing.min_spare is None else ""
            most = "3 * min_spare, max_workers at most" if sizing.max_spare is None else ""
            return [
                kind,
                Row("sizing.min_spare", str(limits.min_spare), fewest),
                Row("sizing.max_spare", str(limits.max_spare), most),
                Row("sizing.hold", duration_text(limits.hold_ns), ""),
            ]
        case "demand":  # pragma: no branch - the last kind
            unbounded = sizing.max_spare is None
            return [
                kind,
                Row("sizing.headroom", f"{limits.headroom_ppm / PPM:g}", ""),
                Row("sizing.hold", duration_text(limits.hold_ns), ""),
                Row("sizing.target_wait", duration_text(limits.target_wait_ns), ""),
                Row("sizing.saturation", f"{limits.saturation_ppm / PPM:g}", ""),
                Row("sizing.min_spare", str(limits.min_spare) if limits.min_spare else "no limit", ""),
                Row("sizing.max_spare", "no limit" if unbounded else str(limits.max_spare), ""),
            ]


def _recycle_rows(limits: Limits) -> list[Row]:
    values = {
        "max_age": duration_text(limits.max_age_ns) if limits.max_age_ns else "off",
        "max_served": str(limits.max_served) if limits.max_served else "off",
        "max_idle": duration_text(limits.max_idle_ns) if limits.max_idle_ns else "off",
        "max_rss": size_text(limits.max_rss_bytes) if limits.max_rss_bytes else "off",
        "hard_rss": size_text(limits.hard_rss_bytes) if limits.hard_rss_bytes else "off",
        "jitter": f"{limits.jitter_ppm / PPM:g}",
        "max_unavailable": f"{limits.max_unavailable_ppm / PPM:g}",
    }
    rows = [Row(f"recycle.{name}", value, "") for name, value in values.items()]
    return [*rows, Row("recycle.max_surge", str(limits.max_surge), "")]


def _crash_rows(config: PoolConfig, limits: Limits) -> list[Row]:
    return [
        Row(
            "crash.burst", str(limits.crash_burst), "3 * max_workers, at least 5" if config.crash.burst is None else ""
        ),
        Row("crash.refill", duration_text(limits.refill_ns), ""),
        Row("crash.healthy_after", duration_text(limits.healthy_after_ns), ""),
        Row("crash.max_delay", duration_text(limits.max_delay_ns), ""),
    ]
