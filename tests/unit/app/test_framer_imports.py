"""What a worker pays for framers that it doesn't use: nothing; and what it is told where an extra isn't installed."""

from __future__ import annotations

import subprocess
import sys

import pytest


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


def loaded(program: str, *modules: str) -> set[str]:
    return set(python(f"{program}\nimport sys; print(*({{*sys.modules}} & {set(modules)!r}))").split())


def test_a_family_is_loaded_when_it_is_named() -> None:
    families = [f"prefork.app.framing.{name}" for name in ("blocks", "json_lines", "composed", "messagepack", "http1")]
    assert loaded("from prefork import App, Lines, Stream", *families) == set()
    assert loaded("from prefork import Netstring", *families) == {"prefork.app.framing.blocks"}


@pytest.mark.parametrize(("framer", "package"), [("MessagePack", "msgpack"), ("H11", "h11")])
def test_an_extra_is_loaded_when_such_a_framer_is_made(framer: str, package: str) -> None:
    assert loaded(f"from prefork import {framer}", package) == set()
    assert loaded(f"from prefork import {framer}\n{framer}()", package) == {package}


WITHOUT = """
import sys
class Nowhere:
    def find_spec(name, path=None, target=None):
        if name == {0!r}: raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Nowhere)
from prefork import {1}, Session
from prefork.app.app import load_app
class Bad(Session):
    framer = {1}
{2}
"""
"""A program to which a package is not installed."""

extras = pytest.mark.parametrize(
    ("framer", "package", "extra"), [("MessagePack", "msgpack", "msgpack"), ("H11", "h11", "http")]
)


@extras
@pytest.mark.parametrize("statement", ["{0}()", "load_app('__main__:Bad')"])
def test_a_missing_extra_is_one_line_that_names_it(framer: str, package: str, extra: str, statement: str) -> None:
    told = python(WITHOUT.format(package, framer, statement.format(framer))).splitlines()[-1]
    assert (
        told == f"prefork.errors.AppError: framer {framer} needs the package {package}: pip install 'prefork[{extra}]'"
    )
