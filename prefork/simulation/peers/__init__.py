"""The policies of other servers, to hold prefork's against: each a decide() of its own, by name.

from prefork.simulation.peers import peer

run = simulate(config, traffic, decide=peer("apache", config))

A peer takes max_workers and max_sessions from the config of the comparison; the rest is its own, at its own defaults,
and another setting is another instance: `Apache(min_spare=20, max_spare=40)`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from prefork.simulation.peers.apache import Apache
from prefork.simulation.peers.busyness import UwsgiBusyness
from prefork.simulation.peers.delayed_off import DelayedOff
from prefork.simulation.peers.frame import Peer
from prefork.simulation.peers.knative import KnativeKpa
from prefork.simulation.peers.kubernetes import KubernetesHpa
from prefork.simulation.peers.net_server import NetServer
from prefork.simulation.peers.php_fpm import PhpFpmDynamic, PhpFpmOndemand
from prefork.simulation.peers.postfix import Postfix
from prefork.simulation.peers.seed import TheSeed
from prefork.simulation.peers.uwsgi import UwsgiBacklog, UwsgiSpare, UwsgiSpare2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.policy.config import PoolConfig

__all__ = [
    "PEERS",
    "Apache",
    "DelayedOff",
    "KnativeKpa",
    "KubernetesHpa",
    "NetServer",
    "Peer",
    "PhpFpmDynamic",
    "PhpFpmOndemand",
    "Postfix",
    "TheSeed",
    "UwsgiBacklog",
    "UwsgiBusyness",
    "UwsgiSpare",
    "UwsgiSpare2",
    "peer",
]

PEERS: Mapping[str, type[Peer[Any]]] = MappingProxyType(
    {
        "seed": TheSeed,
        "apache": Apache,
        "php-fpm-dynamic": PhpFpmDynamic,
        "php-fpm-ondemand": PhpFpmOndemand,
        "uwsgi-spare": UwsgiSpare,
        "uwsgi-spare2": UwsgiSpare2,
        "uwsgi-backlog": UwsgiBacklog,
        "uwsgi-busyness": UwsgiBusyness,
        "net-server": NetServer,
        "postfix": Postfix,
        "kubernetes-hpa": KubernetesHpa,
        "knative-kpa": KnativeKpa,
        "delayed-off": DelayedOff,
    }
)
"""By the name under which `prefork simulate --peer` knows it; called without arguments: at its defaults."""


def peer(name: str, config: PoolConfig) -> Peer[Any]:
    """Return the peer at its defaults. Raises ValueError for one that isn't known or can't judge such a pool."""
    if name not in PEERS:
        raise ValueError(f"peer {name!r} is not known: choose one of {', '.join(PEERS)}")
    made = PEERS[name]()
    if made.needs_places and not config.max_sessions:
        raise ValueError(f"peer {name} goes by how full workers are: set max_sessions")
    return made
