"""TLS on a listener, on real pools, with clients that nobody here wrote."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork import ConfigError, Listener, PreforkError, TlsConfig
from tests.apps.secured import Hello, Secured
from tests.certificates import Authority, TlsClient
from tests.live import gone_after, static, watch_ends

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live import Start


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


# -- serving -----------------------------------------------------------------------------------------------------------


def test_a_listener_with_tls_stands_beside_a_plain_one(prefork_pool: Start, authority: Authority) -> None:
    pool = prefork_pool(Secured, listen=[authority.listen(alpn=["lines"]), "tcp://127.0.0.1:0"], pool=static(1))
    context = authority.context()
    context.set_alpn_protocols(["lines"])
    with TlsClient(pool, context) as client:
        assert json.loads(client.ask("tls") or "") == ["TLSv1.3", "lines", "localhost"]
    with socket.create_connection(("127.0.0.1", int(pool.urls[1].rpartition(":")[2])), timeout=5) as plain:
        plain.sendall(b"tls\n")
        assert plain.recv(100) == b"null\n"


def test_a_unix_socket_may_speak_tls(prefork_pool: Start, authority: Authority, tmp_path: Path) -> None:
    listener = Listener(url=f"unix:{tmp_path}/socket", tls=TlsConfig(cert=authority.issue()))
    pool = prefork_pool(Secured, listen=listener, pool=static(1))
    with TlsClient(pool, authority.context()) as client:
        assert client.ask("hello") == "hello"


def test_a_stop_ends_sessions_with_a_close_notify(prefork_pool: Start, authority: Authority) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(), pool=static(2))
    context = authority.context()
    with TlsClient(pool, context) as client:
        assert client.ask("hello") == "hello"
        pool.signal(signal.SIGTERM)
        assert client.hear() is None
    assert pool.wait() == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_resumes_with_another_worker(
    prefork_pool: Start, authority: Authority, version: ssl.TLSVersion
) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(), pool=static(2, max_sessions=1))
    context = authority.context()
    context.minimum_version = context.maximum_version = version
    with TlsClient(pool, context) as first:
        one = first.ask("pid")
        assert not first.socket.session_reused
        with TlsClient(pool, context, first.socket.session) as second:
            assert second.ask("pid") != one
            assert second.socket.session_reused


def test_who_speaks_no_tls_is_counted_and_told_once(prefork_pool: Start, authority: Authority) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(), pool=static(1))
    with socket.create_connection(pool.address, timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while client.recv(100):
            pass
    with socket.create_connection(pool.address, timeout=5):
        pass  # a health check
    pool.wait_for(lambda _: pool.status()["workers"][0]["refused"] == 2)
    assert pool.log.count(": TLS handshake: http request") == pool.log.count("TLS handshake") == 1
    assert "Traceback" not in pool.log


def test_a_client_certificate_is_asked_for_and_shown(prefork_pool: Start, authority: Authority, tmp_path: Path) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(client_ca=str(authority.pem)), pool=static(1))
    context = authority.context()
    with pytest.raises(ssl.SSLError, match="certificate required"), TlsClient(pool, context) as stranger:
        stranger.hear()
    stranger_ca = tmp_path / "other"
    stranger_ca.mkdir()
    context.load_cert_chain(Authority(stranger_ca).issue("me.pem", "me@here"))
    with pytest.raises(ssl.SSLError, match="unknown ca"), TlsClient(pool, context) as stranger:
        stranger.hear()
    context = authority.context()
    context.load_cert_chain(authority.issue("me.pem", "me@here"))
    with TlsClient(pool, context) as known:
        assert known.ask("hello") == "hello"


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_bad_certificate_is_one_line_before_anything_is_bound(prefork_pool: Start, authority: Authority) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listener = authority.listen(f"tcp://127.0.0.1:{port}", cert="/nowhere/server.pem")
    with socket.create_server(("127.0.0.1", port)), pytest.raises(ConfigError) as caught:
        prefork_pool(Secured, listen=listener)
    told = f"listen tcp://127.0.0.1:{port}: tls.cert /nowhere/server.pem: No such file or directory"
    assert str(caught.value) == told


@pytest.mark.parametrize("command", ["check", "serve"])
def test_check_and_serve_say_so_too(tmp_path: Path, command: str) -> None:
    (tmp_path / "prefork.toml").write_text(
        'app = "echo.py:Echo"\n[[listen]]\nurl = "tcp://127.0.0.1:0"\n[listen.tls]\ncert = "server.pem"\n'
    )
    (tmp_path / "echo.py").touch()
    argv = [sys.executable, "-m", "prefork", command]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    told = f"listen tcp://127.0.0.1:0: tls.cert {tmp_path}/server.pem: No such file or directory"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"prefork: {told}\n")


def test_a_reload_reads_certificates_anew(prefork_pool: Start, authority: Authority) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(), pool=static(1))
    context = authority.context()
    with TlsClient(pool, context) as client:
        before = client.served_by
    authority.issue()
    ends = watch_ends(pool.worker_pids().values())
    pool.ask("reload")
    gone_after(ends, 10)
    with TlsClient(pool, context) as client:
        assert client.served_by != before


def test_a_reload_with_a_bad_one_is_refused_and_the_old_pool_serves_on(
    prefork_pool: Start, authority: Authority
) -> None:
    listener = authority.listen()
    pool = prefork_pool(Secured, listen=listener, pool=static(1))
    cert = authority.issue()
    cert.write_text("rubbish")
    told = f"listen tcp://127.0.0.1:0: tls.cert {cert}: there is no certificate (PEM) in it"
    with pytest.raises(PreforkError) as caught:
        pool.ask("reload")
    assert str(caught.value) == told
    pool.signal(signal.SIGHUP)
    pool.wait_for(lambda _: f"reload refused, the old config stays: {told}" in pool.log)
    with TlsClient(pool, authority.context()) as client:
        assert client.ask("hello") == "hello"
    assert [worker.generation for worker in pool.view().workers] == [1]


# -- other people's clients --------------------------------------------------------------------------------------------


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client(prefork_pool: Start, authority: Authority, version: str) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(), pool=static(1))
    host, port = pool.address
    argv = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", str(authority.pem), "-verify_return_error"]
    done = subprocess.run(
        [*argv, "-quiet", version, "-servername", "localhost"],
        input="tls\nhello\nquit\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    spoken = "TLSv1.2" if version == "-tls1_2" else "TLSv1.3"
    assert done.stdout.splitlines() == [json.dumps([spoken, None, "localhost"]), "hello"]
    assert done.returncode == 0


@pytest.mark.needs("openssl")
def test_openssl_s_client_may_ask_for_new_keys(prefork_pool: Start, authority: Authority) -> None:
    pool = prefork_pool(Secured, listen=authority.listen(), pool=static(1))
    host, port = pool.address
    argv = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", str(authority.pem), "-tls1_3", "-msg"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stderr is not None
        client.stdin.write("K\n")  # new keys for both ways
        client.stdin.flush()
        while client.stderr.readline() != "KEYUPDATE\n":
            assert client.poll() is None
        client.stdin.write("hello\nquit\n")
        client.stdin.flush()  # and not closed: s_client wouldn't wait for the answer
        said = client.stdout.read()
    assert "hello\n" in said
    assert [line[:3] for line in said.splitlines() if line.endswith("KeyUpdate")] == [">>>", "<<<"]


@pytest.mark.needs("curl")
def test_curl(prefork_pool: Start, authority: Authority) -> None:
    pool = prefork_pool(Hello, listen=authority.listen(alpn=["http/1.1"]), pool=static(1))
    url = f"https://localhost:{pool.address[1]}"
    argv = ["curl", "--silent", "--show-error", "--ipv4", "--cacert", str(authority.pem), f"{url}/one", f"{url}/two"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello /one\nhello /two\n", "")
