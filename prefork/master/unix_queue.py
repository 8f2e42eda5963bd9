"""How many connections wait at a Unix listener: the kernel tells it over netlink alone (sock_diag(7))."""

from __future__ import annotations

import os
import socket
import struct
from functools import cache
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = 1
_UDIAG_SHOW_RQLEN = 0x10
_UNIX_DIAG_RQLEN = 4
_ANY = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
_QUESTION = struct.Struct("=BBHIIIII")
"""unix_diag_req: family, protocol, pad, states, inode, show, cookie (two words, all ones: any)."""
_ANSWER_BYTES = 16
"""Of unix_diag_msg, which follows the header; then come attributes."""
_ATTRIBUTE = struct.Struct("=HH")
_RQLEN = struct.Struct("=II")
_MOST = 4096


class Length(NamedTuple):
    """Of one accept queue."""

    waiting: int
    limit: int


def unix_queue(listener: socket.socket) -> Length | None:
    """Ask for the accept queue of a listening Unix socket; None: this kernel doesn't tell."""
    try:
        inode = os.fstat(listener.fileno()).st_ino
        question = _QUESTION.pack(socket.AF_UNIX, 0, 0, _ANY, inode, _UDIAG_SHOW_RQLEN, _ANY, _ANY)
        header = _HEADER.pack(_HEADER.size + len(question), _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0)
        asked = _netlink()
        asked.send(header + question)
        return _length(asked.recv(_MOST))
    except OSError:
        return None


@cache
def _netlink() -> socket.socket:
    """Open the one socket of this process; it is never closed, and asks and answers in turn. Raises OSError."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG)
    netlink.setblocking(False)  # the kernel answers within send
    return netlink


def _length(raw: bytes) -> Length | None:
    """Return what an answer tells; an error, or a kernel that knows no queue lengths, tells nothing."""
    if len(raw) < _HEADER.size or _HEADER.unpack_from(raw)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    at = _HEADER.size + _ANSWER_BYTES
    while at + _ATTRIBUTE.size <= len(raw):
        size, kind = _ATTRIBUTE.unpack_from(raw, at)
        if kind == _UNIX_DIAG_RQLEN:
            return Length(*_RQLEN.unpack_from(raw, at + _ATTRIBUTE.size))
        at += max(_ATTRIBUTE.size, size + 3 & ~3)
    return None
