"""The apps of `test_seed_framers.py`: each echoes the items of its framer, or as little more as shows its fact."""

from __future__ import annotations

from typing import Any

from prefork import (
    H11,
    JSON,
    App,
    Fixed,
    JSONLines,
    LengthPrefixed,
    Lines,
    MessagePack,
    Netstring,
    Request,
    Response,
    Session,
    compose,
)


class Same(Session[Any]):
    """Sends back what it gets."""

    def received(self, item: Any, /) -> None:
        self.send(item)


class Web(Session[Any]):
    """Says what was asked for."""

    def received(self, item: Request, /) -> None:
        self.send(Response(200, [("content-type", "text/plain")], f"{item.method} {item.target}".encode()))


class Upgrading(Session[Any]):
    """Lines, until one says `json`; what comes behind that line is JSON already."""

    framer = Lines

    def received(self, item: Any, /) -> None:
        self.send(item)
        if item == "json":
            self.conn.set_framer(JSONLines)


fixed = App(Same, framer=Fixed(4))
length_prefixed = App(Same, framer=LengthPrefixed)
netstring = App(Same, framer=Netstring)
json_lines = App(Same, framer=JSONLines)
messagepack = App(Same, framer=MessagePack)
stacked = App(Same, framer=compose(LengthPrefixed, JSON))
web = App(Web, framer=H11)
