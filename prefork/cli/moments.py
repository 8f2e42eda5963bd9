"""Instants of a journal as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.journal.entries import Gap


def clock(unix_ns: int) -> str:
    """A time of day, here."""
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def gap_text(gap: Gap) -> str:
    """`an entry is missing after 12:41:08.123, and 101 looks after it can't be told`."""
    after = f" after {clock(gap.unix_ns)}" if gap.unix_ns is not None else " before the first look"
    many = "1 look" if gap.looks == 1 else f"{gap.looks} looks"
    return f"{gap.what}{after}" + (f", and {many} after it can't be told" if gap.looks else "")
