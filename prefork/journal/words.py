"""Each reason in plain words: the rule that spoke, its figures in a sentence, and the settings behind the threshold.

Theory. A reason's figures are all that its verdict needs, so a sentence made of them says why, and nothing else does. A
reason that is said by several rules has a sentence for each: the first one is taken whose figures are all there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from prefork.policy.model import Reason
from prefork.policy.units import duration_text, size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.policy.model import Because, Figure


class Words(NamedTuple):
    """One rule's."""

    rule: str
    sentence: str
    """With its figures in braces."""
    settings: tuple[str, ...] = ()
    """Dotted fields of the config that the threshold comes from."""


_BOUNDS: Final = ("pool.min_workers", "pool.max_workers")
_SPARES: Final = ("pool.sizing.min_spare", "pool.sizing.max_spare")
_CRASH: Final = ("pool.crash.burst", "pool.crash.refill")
_PROBES: Final = (*_CRASH, "pool.crash.healthy_after", "pool.crash.max_delay")

_WORDS: Final[dict[Reason, tuple[Words, ...]]] = {
    Reason.STOPPING: (
        Words(
            "stopping", "the pool stops, and its {sessions} sessions have until the deadline", ("pool.drain_timeout",)
        ),
        Words("stopping", "the pool stops, and the deadline passed {late_ns} ago", ("pool.drain_timeout",)),
        Words("stopping", "the pool stops"),
    ),
    Reason.OVERSTAYED_DRAIN: (
        Words("stopping", "it was told to go, and its deadline passed {late_ns} ago", ("pool.drain_timeout",)),
    ),
    Reason.BOOT_TIMEOUT: (
        Words("boot", "it was not ready after {boot_ns}; the limit is {boot_timeout_ns}", ("pool.boot_timeout",)),
    ),
    Reason.SILENT_SPINNING: (
        Words(
            "silent",
            "its loop had not turned for {silent_ns} (the limit is {heartbeat_timeout_ns}) and burnt {cpu_ns} of CPU "
            "meanwhile: it is busy in one callback",
            ("pool.heartbeat_timeout",),
        ),
    ),
    Reason.SILENT_BLOCKED: (
        Words(
            "silent",
            "its loop had not turned for {silent_ns} (the limit is {heartbeat_timeout_ns}) and burnt {cpu_ns} of CPU "
            "meanwhile: it waits for something in one callback",
            ("pool.heartbeat_timeout",),
        ),
    ),
    Reason.HARD_RSS: (
        Words("hard limit", "it took {rss_bytes}; the limit is {hard_rss_bytes}", ("pool.recycle.hard_rss",)),
    ),
    Reason.OLD_GENERATION: (
        Words("recycle", "it is of generation {worker_generation}, and the pool of generation {generation}"),
    ),
    Reason.MAX_AGE: (
        Words(
            "recycle", "it had served for {used}; its limit is {limit}", ("pool.recycle.max_age", "pool.recycle.jitter")
        ),
    ),
    Reason.MAX_SERVED: (
        Words(
            "recycle",
            "it had accepted {used} sessions; its limit is {limit}",
            ("pool.recycle.max_served", "pool.recycle.jitter"),
        ),
    ),
    Reason.MAX_RSS: (
        Words("recycle", "it took {used}; its limit is {limit}", ("pool.recycle.max_rss", "pool.recycle.jitter")),
    ),
    Reason.MAX_IDLE: (
        Words(
            "recycle", "it had held no session for {idle_ns}; the limit is {max_idle_ns}", ("pool.recycle.max_idle",)
        ),
    ),
    Reason.REPLACED: (Words("recycle", "its successor serves"),),
    Reason.SURPLUS: (
        Words(
            "size",
            "{open} workers accepted and {keep} were to be kept: {need} were needed now, {largest_need} at most "
            "lately, and {usual} had been enough for nearly all that came",
            ("pool.sizing.hold", "pool.sizing.saturation", *_BOUNDS),
        ),
        Words(
            "size",
            "at least {least_spare} workers were spare throughout {hold_ns}, more than max_spare ({max_spare})",
            (*_SPARES, "pool.sizing.hold"),
        ),
        Words("size", "there were {n} workers; max_workers is {max_workers}", ("pool.max_workers",)),
        Words("size", "there were {n} workers; {workers} are wanted", ("pool.sizing.workers",)),
        Words("size", "there were {n} workers; the operator wants {scale}", _BOUNDS),
    ),
    Reason.EMPTIED: (Words("size", "it was paused as one too many, and its last session is over"),),
    Reason.REQUESTED: (Words("requested", "the {owner} asked for it, with {sessions} sessions"),),
    Reason.START: (
        Words("size", "the pool starts with {start_workers} workers; there were {n}", ("pool.start_workers",)),
    ),
    Reason.BELOW_MIN: (
        Words("size", "there were {n} workers, fewer than min_workers ({min_workers})", ("pool.min_workers",)),
    ),
    Reason.FEW_SPARES: (
        Words(
            "size",
            "{spare} of {n} workers were spare; min_spare ({min_spare}) are wanted, and {queue} for those who waited",
            ("pool.sizing.min_spare", "pool.max_workers"),
        ),
    ),
    Reason.DEMAND: (
        Words(
            "size",
            "{need} workers were needed and {open} accepted: {sessions} sessions were held ({shut} of them where "
            "nobody is accepted), {queue} connections waited, {arrivals_micro} came a second, a session took "
            "{session_ns}, and a worker born now was {ahead_ns} away",
            ("pool.sizing.headroom", "pool.sizing.target_wait", "pool.max_sessions", *_BOUNDS),
        ),
        Words(
            "size",
            "{need} workers were needed and {open} accepted: {busy_micro} loops were busy, {busy_workers} of them "
            "full, and {queue} connections waited",
            _BOUNDS,
        ),
    ),
    Reason.STATIC_SIZE: (Words("size", "there were {n} workers; {workers} are wanted", ("pool.sizing.workers",)),),
    Reason.SCALE: (Words("size", "there were {n} workers; the operator wants {scale}", _BOUNDS),),
    Reason.PROBE: (
        Words(
            "crash",
            "workers crashed so often that no crash token was left, so one is tried at a time, a probe; "
            "{failed_probes} failed before",
            _PROBES,
        ),
    ),
    Reason.FIRST_MOLD: (Words("mold", "the pool starts"),),
    Reason.RELOAD: (Words("mold", "a reload was ordered of generation {generation}"),),
    Reason.MOLD_GONE: (
        Words("mold", "the mold of generation {generation} is gone, for the {restarts}. time in a row"),
    ),
    Reason.MOLD_SUPERSEDED: (Words("mold", "a newer one is ready: the pool is of generation {generation}"),),
    Reason.IMPORT_TIMEOUT: (
        Words(
            "mold",
            "importing the app took {import_ns}; the limit is {import_timeout_ns}",
            ("pool.import_timeout",),
        ),
    ),
    Reason.NEVER_READY: (
        Words("pool", "no worker ever became ready, and all {crash_burst} crash tokens are spent", _CRASH),
    ),
    Reason.HARD_RSS_TOO_LOW: (
        Words(
            "pool",
            "a worker takes {boot_rss_bytes} when it is born; hard_rss is {hard_rss_bytes}",
            ("pool.recycle.hard_rss",),
        ),
    ),
    Reason.AT_MAX: (
        Words(
            "size",
            "{live} workers lived and {wanted} more were wanted; max_workers is {max_workers}",
            ("pool.max_workers",),
        ),
    ),
    Reason.GROWTH: (
        Words(
            "size",
            "a pool at most doubles in the time of a birth, and a mold makes one worker at a time: {open} accepted, "
            "{booting} were being born, {unborn} of them in the line of the mold",
        ),
    ),
    Reason.NO_MOLD: (Words("mold", "no mold of generation {generation} was ready"),),
    Reason.CRASH_TOKENS: (
        Words(
            "crash",
            "workers crashed so often that no crash token was left (of {crash_burst}), so one is tried at a time, a "
            "probe, until one lives: {probes} on trial, {failed_probes} failed before, back-off left: {wait_ns}",
            _PROBES,
        ),
    ),
    Reason.OUTSIDE_TOKENS: (
        Words(
            "crash",
            "more workers were killed from outside than are replaced at once ({outside_burst}); that is made "
            "up for in {debt_ns}",
            ("pool.crash.refill",),
        ),
    ),
    Reason.FORK_FAILED: (Words("size", "fork was refused {failures} times in a row; wait {wait_ns}"),),
    Reason.MAX_UNAVAILABLE: (
        Words(
            "recycle",
            "{overdue} workers were overdue and {replacing} being replaced; {budget} may be at one time",
            ("pool.recycle.max_unavailable",),
        ),
    ),
    Reason.MAX_SURGE: (
        Words(
            "recycle",
            "{live} workers lived; replacements may exceed max_workers ({max_workers}) by {surge}",
            ("pool.recycle.max_surge", "pool.max_workers"),
        ),
    ),
}
_FIGURE: Final = re.compile(r"\{(\w+)\}")
_ONE: Final = re.compile(r"(\bthere were |)\b1 ((?:worker|session|connection|loop|probe))s\b( were|)")
_WAS: Final = {"there were ": "there was ", " were": " was"}


def words_of(because: Because) -> Words:
    """The rule, the sentence of these figures, and the settings."""
    figures = dict(because.figures)
    for words in _WORDS[because.reason]:
        if all(name in figures for name in _FIGURE.findall(words.sentence)):
            return words._replace(sentence=_said(words.sentence, because.reason, figures))
    told = ", ".join(f"{name} {value}" for name, value in figures.items())
    return _WORDS[because.reason][-1]._replace(sentence=told)


def _said(sentence: str, reason: Reason, figures: Mapping[str, Figure]) -> str:
    said = _FIGURE.sub(lambda found: _shown(found[1], figures[found[1]], reason), sentence)
    return _ONE.sub(lambda found: f"{_WAS.get(found[1], found[1])}1 {found[2]}{_WAS.get(found[3], found[3])}", said)


def _shown(name: str, value: Figure, reason: Reason) -> str:
    """A figure with its unit; `used` and `limit` have that of their reason."""
    if isinstance(value, str):
        return value
    if name in ("used", "limit"):
        name += {Reason.MAX_AGE: "_ns", Reason.MAX_RSS: "_bytes"}.get(reason, "")
    if name.endswith("_ns"):
        return f"{value / 1e9:.3g} s" if value % 1_000_000 else duration_text(value)
    if name.endswith("_bytes"):
        return f"{value / 2**20:.1f} MiB" if value % 2**10 else size_text(value)
    if name.endswith("_micro"):
        return f"{value / 1e6:.3g}"
    return str(value)
