"""What two fields of the config may not say together: one sentence each, with both names, both values and the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.units import duration_text, nanoseconds, size_text

if TYPE_CHECKING:
    from prefork.policy.config import DemandSizing, PoolConfig, SpareSizing, StaticSizing


def pool_contradiction(config: PoolConfig) -> str | None:
    """Return the first contradiction of a pool, or None."""
    sizing = config.sizing
    match sizing.kind:
        case "static":
            message = _static(config, sizing)
        case "spare":
            message = _spares(config, sizing, least=config.min_workers)
        case "demand":  # pragma: no branch - the last kind
            message = _spares(config, sizing, least=0)
    return message or _bounds(config) or _heartbeat(config)


def recycle_contradiction(max_rss: int, hard_rss: int) -> str | None:
    """Refuse a hard limit that leaves no room above the soft one."""
    if max_rss and hard_rss and hard_rss <= max_rss:
        return (
            f"hard_rss ({size_text(hard_rss)}) is not over max_rss ({size_text(max_rss)}): "
            "raise hard_rss or lower max_rss, so that a worker can be replaced before it is killed"
        )
    return None


def _bounds(config: PoolConfig) -> str | None:
    low, high, start = config.min_workers, config.max_workers, config.start_workers
    if low > high:
        return f"min_workers ({low}) is over max_workers ({high}): lower one or raise the other"
    if start is not None and start < low:
        return f"start_workers ({start}) is under min_workers ({low}): raise one or lower the other"
    if start is not None and start > high:
        return f"start_workers ({start}) is over max_workers ({high}): lower one or raise the other"
    return None


def _heartbeat(config: PoolConfig) -> str | None:
    if config.heartbeat_interval < config.heartbeat_timeout:
        return None
    interval, timeout = (
        duration_text(nanoseconds(seconds)) for seconds in (config.heartbeat_interval, config.heartbeat_timeout)
    )
    return (
        f"heartbeat_interval ({interval}) is not under heartbeat_timeout ({timeout}): "
        "lower one or raise the other, or every worker looks silent"
    )


def _static(config: PoolConfig, sizing: StaticSizing) -> str | None:
    workers, low, high = sizing.workers, config.min_workers, config.max_workers
    if workers is None:
        workers = low
    if workers < low:
        return f"sizing.workers ({workers}) is under min_workers ({low}): raise one or lower the other"
    if sizing.workers is not None and workers > high:
        return f"sizing.workers ({workers}) is over max_workers ({high}): lower one or raise the other"
    if config.start_workers not in (None, workers):
        return (
            f'start_workers ({config.start_workers}) differs from the {workers} workers of sizing.kind = "static": '
            "leave start_workers out, or make it the same"
        )
    return None


def _spares(config: PoolConfig, sizing: SpareSizing | DemandSizing, *, least: int) -> str | None:
    """Judge bounds of spares; `least` is what a min_spare left out stands for."""
    low, high = config.min_workers, config.max_workers
    if low > high:
        return None  # the bounds themselves are wrong: their own message is the better one
    fewest = least if sizing.min_spare is None else sizing.min_spare
    if fewest > high:
        return f"sizing.min_spare ({fewest}) is over max_workers ({high}): lower one or raise the other"
    if fewest and not low:
        return (
            f"sizing.min_spare ({fewest}) keeps workers ready, but min_workers ({low}) wants nobody before the first "
            "connection: raise min_workers, or leave sizing.min_spare out"
        )
    if sizing.max_spare is not None and sizing.max_spare < fewest:
        origin = " = min_workers" if sizing.min_spare is None else ""
        return (
            f"sizing.max_spare ({sizing.max_spare}) is under sizing.min_spare ({fewest}{origin}): "
            "raise one or lower the other"
        )
    return None
