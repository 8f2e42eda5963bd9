"""redis-cli, redis-benchmark and redis-py against the small Redis."""

from __future__ import annotations

import csv
import io
import os
import pty
import select
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis

from prefork import PoolConfig, StaticSizing
from prefork.testing import running
from tests.interop.programs import DEADLINE_S, EXAMPLES, nc, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.testing import LivePool


@pytest.fixture(scope="module")
def pool(loop: str) -> Iterator[LivePool]:
    """One store: each test has keys of its own."""
    one = PoolConfig(sizing=StaticSizing(workers=1))
    with running(f"{EXAMPLES}/redis_mini.py:Redis", backend=loop, pool=one) as pool:
        yield pool
        pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))
        assert pool.stop() == 0
        assert "ERROR" not in pool.log


@pytest.fixture
def client(pool: LivePool) -> Iterator[redis.Redis]:
    with connected(pool, 2) as client:
        yield client


def connected(pool: LivePool, protocol: int) -> redis.Redis:
    host, port = pool.address
    return redis.Redis(host, port, protocol=protocol, socket_timeout=DEADLINE_S)


def port(pool: LivePool) -> list[str]:
    return ["-p", str(pool.address[1])]


def cli(pool: LivePool, *words: str, typed: bytes = b"") -> str:
    return run(["redis-cli", *port(pool), *words], typed).decode()


# -- redis-cli ---------------------------------------------------------------------------------------------------------


@pytest.mark.needs("redis-cli")
def test_the_cli_sets_and_gets(pool: LivePool) -> None:
    assert cli(pool, "ping") == "PONG\n"
    assert cli(pool, "set", "name", "two words") == "OK\n"
    assert cli(pool, "get", "name") == "two words\n"
    assert cli(pool, "--no-raw", "get", "nothing") == "(nil)\n"
    assert cli(pool, "--no-raw", "incr", "visits") == "(integer) 1\n"
    assert cli(pool, "incrby", "visits", "-3") == "-2\n"
    assert cli(pool, "exists", "name", "visits", "nothing") == "2\n"
    assert cli(pool, "del", "name", "nothing") == "1\n"


@pytest.mark.needs("redis-cli")
def test_the_cli_is_told_what_is_wrong(pool: LivePool) -> None:
    cli(pool, "set", "word", "letters")
    assert cli(pool, "incr", "word") == "ERR value is not an integer or out of range\n\n"
    assert cli(pool, "flushall") == "ERR unknown command b'FLUSHALL' with 0 arguments\n\n"
    assert cli(pool, "get") == "ERR unknown command b'GET' with 0 arguments\n\n"


@pytest.mark.needs("redis-cli")
def test_a_value_from_a_file_keeps_every_byte(pool: LivePool) -> None:
    value = bytes(range(256)) * 4000
    assert cli(pool, "-x", "set", "blob", typed=value) == "OK\n"
    assert run(["redis-cli", *port(pool), "get", "blob"]) == value + b"\n"


@pytest.mark.needs("redis-cli")
def test_a_mass_insertion_is_answered_in_full(pool: LivePool) -> None:
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$6\r\nk%05d\r\n$1\r\nv\r\n" % number for number in range(50_000))
    assert "errors: 0, replies: 50000\n" in cli(pool, "--pipe", typed=commands)
    assert cli(pool, "exists", "k00000", "k49999", "k50000") == "2\n"


@pytest.mark.needs("redis-cli")
def test_a_person_at_the_cli_is_answered(pool: LivePool) -> None:
    """At a terminal it first asks the server for the commands that it knows; this one doesn't tell."""
    here, there = pty.openpty()
    with subprocess.Popen(
        ["redis-cli", *port(pool)], stdin=there, stdout=there, stderr=there, env={**os.environ, "TERM": "dumb"}
    ) as process:
        os.close(there)
        try:
            os.write(here, b"incr typed\n")
            heard = b""
            while b"(integer) 1" not in heard:
                assert select.select([here], [], [], DEADLINE_S)[0], heard
                heard += os.read(here, 4096)
            os.write(here, b"quit\n")
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
            os.close(here)


# -- redis-benchmark ---------------------------------------------------------------------------------------------------


def benchmark(pool: LivePool, *options: str) -> dict[str, float]:
    """Requests a second of each test, which it ends at the first error. How fast is not judged."""
    told = run(["redis-benchmark", *port(pool), "-c", "50", "--csv", *options]).decode()
    return {row["test"]: float(row["rps"]) for row in csv.DictReader(io.StringIO(told))}


@pytest.mark.needs("redis-benchmark")
@pytest.mark.parametrize("pipelined", ["1", "16"])
def test_the_benchmark_runs_through(pool: LivePool, client: redis.Redis, pipelined: str) -> None:
    before = int(client.get("counter:__rand_int__") or 0)
    rates = benchmark(pool, "-n", "8000", "-P", pipelined, "-t", "ping,set,get,incr")
    assert list(rates) == ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"]
    assert min(rates.values()) > 0
    assert int(client.get("counter:__rand_int__") or 0) - before == 8000


@pytest.mark.needs("redis-benchmark")
def test_each_increment_of_many_clients_counts(pool: LivePool, client: redis.Redis) -> None:
    run(["redis-benchmark", *port(pool), "-c", "50", "-n", "8000", "-P", "4", "incr", "many"])
    assert client.get("many") == b"8000"


@pytest.mark.needs("redis-benchmark")
def test_many_keys_and_large_values_run_through(pool: LivePool, client: redis.Redis) -> None:
    benchmark(pool, "-n", "4000", "-P", "16", "-r", "100", "-d", "10000", "-t", "set,get")
    assert len(client.get("key:000000000007") or b"") == 10_000


# -- redis-py ----------------------------------------------------------------------------------------------------------


def test_redis_py_finds_every_command_it_needs(client: redis.Redis) -> None:
    assert client.ping()
    assert client.echo("said") == b"said"
    assert client.set("py", b"\r\n\x00")
    assert client.get("py") == b"\r\n\x00"
    assert client.get("none") is None
    assert [client.incr("py visits"), client.incr("py visits", 10), client.incr("py visits", -20)] == [1, 11, -9]
    assert client.exists("py", "py", "none") == 2
    assert client.delete("py", "py", "py visits") == 2


def test_a_pipeline_is_answered_in_order(client: redis.Redis) -> None:
    pipeline = client.pipeline(transaction=False)
    for _ in range(1000):
        pipeline.incr("piped")
    assert pipeline.execute() == list(range(1, 1001))


def test_an_error_in_a_pipeline_is_that_command_s_alone(client: redis.Redis) -> None:
    pipeline = client.pipeline(transaction=False)
    pipeline.set("letters", "word")
    pipeline.incr("letters")
    pipeline.get("letters")
    done, error, value = pipeline.execute(raise_on_error=False)
    assert (done, str(error), value) == (True, "value is not an integer or out of range", b"word")


def test_clients_at_one_time_share_one_store(client: redis.Redis) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(lambda _: client.incr("shared"), range(800))) == list(range(1, 801))


def test_a_client_of_resp_3_is_told_what_to_do(pool: LivePool) -> None:
    with (
        connected(pool, 3) as client,
        pytest.raises(redis.ResponseError, match="speaks RESP 2: set the client's protocol to 2"),
    ):
        client.ping()


# -- and a person with nc ----------------------------------------------------------------------------------------------


@pytest.mark.needs("nc.openbsd")
def test_commands_may_be_typed(pool: LivePool) -> None:
    assert run(nc(pool.urls[0]), b"set nc 1\nINCR nc\n\nquit\nget nc\n") == b"+OK\r\n:2\r\n+OK\r\n"


@pytest.mark.needs("nc.openbsd")
def test_garbage_ends_the_session_with_its_reason(pool: LivePool) -> None:
    assert run(nc(pool.urls[0]), b"PING\n*1\nPING\nPING\n").splitlines() == [
        b"+PONG",
        b"-ERR Protocol error: expected $ and a number up to 1048566, got b'PING'",
    ]
