"""What a mold is told when it starts: plain values, since neither mold nor worker imports pydantic."""

from __future__ import annotations

from typing import Any, NamedTuple


class MoldSettings(NamedTuple):
    """The whole of it; durations in ns, sizes in bytes. Crosses the channel as `wire.Start`."""

    app: str
    """`module:attribute` or `file.py:attribute`, the file absolute."""
    backend: str
    options: dict[str, Any]
    """The loop's own, as the user wrote them: checked against its dataclass here."""
    sys_path: list[str]
    app_path: str | None
    """Folder that goes first on sys.path; None: the file's own."""
    listeners: list[str]
    """URLs, in the order of the descriptors."""
    tls: list[dict[str, Any] | None]
    """Of each listener, in that order: the fields of `tls.TlsSettings`, or None."""
    name: str
    master: int
    """Pid of the master, as the mold sees it."""
    max_sessions: int
    heartbeat_interval_ns: int
    heartbeat_timeout_ns: int
    drain_timeout_ns: int
    boot_timeout_ns: int
    open_files: int
    """The soft limit that mold and workers live under: as it was before the master raised its own."""
    generation: int = 0
    """The mold's, once it is READY."""
