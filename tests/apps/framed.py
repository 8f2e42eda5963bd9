"""Sessions whose framers are more than lines: HTTP answered at once, late or from a thread; changes of framer."""

from __future__ import annotations

from typing import Any

from prefork import (
    H11,
    JSON,
    Framer,
    JSONLines,
    LengthPrefixed,
    MessagePack,
    Netstring,
    Request,
    Response,
    Session,
    compose,
)


class Site(Session[Any]):
    """Answers with the request's body: at once; at /late after 10 ms; at /thread from a thread. /own upgrades."""

    framer = H11(expect=True)

    def received(self, request: Request, /) -> None:
        if request.awaits_continue:
            self.send(Response(100))
        elif request.target == "/late":
            self.conn.call_later(0.01, self.answer, request)
        elif request.target == "/thread":
            self.conn.offload(request.body.upper, lambda body: self.answer(request._replace(body=body)))
        elif request.target == "/own":
            self.send(Response(101, [("connection", "upgrade"), ("upgrade", "netstring")]))
            self.conn.set_framer(Netstring)
        else:
            self.answer(request)

    def answer(self, request: Request) -> None:
        self.send(Response(200, [("x-target", request.target)], request.body))
        if not request.keep_alive:
            self.close()


class Upgrading(Site):
    """What comes after the upgrade is echoed."""

    def received(self, request: Any, /) -> None:
        if isinstance(request, bytes):
            self.send(request)
        else:
            super().received(request)


FRAMERS: dict[str, Framer[Any]] = {
    "json": JSONLines(),
    "framed": compose(LengthPrefixed, JSON),
    "msgpack": MessagePack(),
    "netstring": Netstring(),
}


class Changing(Session[Any]):
    """Speaks JSON lines at first; the name of a framer changes to it, anything else comes back."""

    framer = JSONLines

    def received(self, item: Any, /) -> None:
        name = item.decode() if isinstance(item, bytes) else item
        self.send(item)
        if isinstance(name, str) and name in FRAMERS:
            self.conn.set_framer(FRAMERS[name])
