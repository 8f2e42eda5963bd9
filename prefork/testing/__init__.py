"""For tests of a server: a real pool on a free port, from one line.

    with prefork.testing.running(Echo, max_sessions=1) as pool:
        socket.create_connection(pool.address)
        pool.wait_for(lambda view: len(view.workers) == 3)
"""

from prefork.testing.live import LivePool, running

__all__ = ["LivePool", "running"]
