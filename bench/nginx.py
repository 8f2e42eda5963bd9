"""nginx: this machine's, or Debian's package unpacked into the virtual environment, so that no service is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.servers import Missing
from tests.needs import APT

_UNPACKED = Path(sys.prefix) / "bench"
_CONFIG = """
worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=2048; return 200 "Hello, world!"; }}
}}
"""


def command(folder: Path, port: int) -> list[str]:
    """What starts it, with a config of its own in `folder`. Raises Missing."""
    config = folder / f"nginx-{port}.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port), encoding="utf-8")
    return [_program(), "-e", f"{folder}/error.log", "-c", str(config)]


def version() -> str:
    """As it says itself, or that there is none."""
    try:
        said = subprocess.run([_program(), "-v"], capture_output=True, text=True, check=True).stderr
    except (Missing, subprocess.CalledProcessError):
        return "none"
    return said.strip().rpartition("/")[2]


def _program() -> str:
    unpacked = _UNPACKED / "usr/sbin/nginx"
    if not (found := shutil.which("nginx")) and not unpacked.exists():
        _unpack()
    if not found and not unpacked.exists():
        raise Missing("nginx is not here, and apt-get download nginx brought none")
    return found or str(unpacked)


def _unpack() -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        return
    _UNPACKED.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        subprocess.run([*APT, "update"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([*APT, "download", "nginx"], cwd=_UNPACKED, check=False, stderr=subprocess.DEVNULL)
    for package in _UNPACKED.glob("nginx_*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(_UNPACKED)], check=False)
