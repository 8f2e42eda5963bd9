"""What a mold is told of TLS, at the start and at a reload."""

from __future__ import annotations

from typing import Any

from prefork import ServerConfig
from prefork.master.tls import tls_of
from prefork.policy.units import NS


def config(*listen: Any) -> ServerConfig:
    return ServerConfig.model_validate({"app": "a:b", "listen": listen})


def table(url: str, **tls: Any) -> dict[str, Any]:
    return {"url": url, "tls": {"cert": "/a.pem", **tls}}


FIRST = config(table("tcp://h:1", alpn=["h2"]), "tcp://h:2")


def told(now: ServerConfig) -> list[tuple[str, list[str]] | None]:
    return [None if each is None else (each["cert"], each["alpn"]) for each in tls_of(FIRST, now)]


def test_each_listener_is_told_of_in_order() -> None:
    tls, plain = tls_of(FIRST, FIRST)
    assert plain is None
    assert tls == {
        "cert": "/a.pem",
        "key": "/a.pem",
        "client_ca": None,
        "client_must": True,
        "alpn": ["h2"],
        "min_version": "1.2",
        "handshake_timeout_ns": 10 * NS,
    }


def test_a_reload_of_the_same_listeners_says_all_of_it_anew() -> None:
    assert told(config(table("tcp://h:1", cert="/b.pem"), "tcp://h:2")) == [("/b.pem", []), None]


def test_a_reload_with_other_listeners_or_with_tls_elsewhere_is_for_the_next_start() -> None:
    first = [("/a.pem", ["h2"]), None]
    assert told(config(table("tcp://h:3", cert="/b.pem"), "tcp://h:2")) == first
    assert told(config(table("tcp://h:1", cert="/b.pem"))) == first
    assert told(config("tcp://h:1", table("tcp://h:2", cert="/b.pem"))) == first
    assert told(config(table("tcp://h:1", cert="/b.pem"), table("tcp://h:2"))) == first


def test_who_may_come_without_a_certificate() -> None:
    optional = config(table("tcp://h:1", client_ca="/ca.pem", verify="optional"))
    assert [each and each["client_must"] for each in tls_of(optional, optional)] == [False]
