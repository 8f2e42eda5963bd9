from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from prefork.backends.contract import GROUP
from prefork.backends.registry import known_backends, load_backend, make_options
from prefork.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

HOOK = """
from prefork.backends.contract import hookimpl
class Backend:
    name, contract, styles, options = "NAME", 1, frozenset({"session"}), None
    def run(self, tether, listeners, app, options): pass
@hookimpl
def prefork_backends():
    return [Backend()]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path to install distributions in."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, distribution: str, name: str, code: str) -> str:
    """A distribution with one backend; returns its module."""
    module = distribution.replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[prefork.backends]\n{name} = {module}\n")
    (site / f"{module}.py").write_text(code)
    return module


def test_selectors_is_known_where_prefork_is_installed_or_not() -> None:
    assert ("selectors", "prefork.backends.selector_loop", "prefork") in known_backends()
    assert load_backend("selectors").name == "selectors"


def test_known_backends_imports_no_backend() -> None:
    code = (
        "import sys; from prefork.backends.registry import known_backends; known_backends()\n"
        "print('prefork.backends.selector_loop' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_an_unknown_backend_is_told_with_the_known_ones(site: Path) -> None:
    install(site, "other-x1", "asyncio", HOOK)
    with pytest.raises(ConfigError) as caught:
        load_backend("asynci")
    installed = ", ".join(each.name for each in known_backends())
    assert str(caught.value) == (
        f"backend 'asynci' is not known; installed: {installed} "
        "(third-party backends register in the entry-point group 'prefork.backends'); did you mean 'asyncio'?"
    )


def test_a_third_partys_backend_is_loaded_by_name(site: Path) -> None:
    module = install(site, "mine-x2", "mine", HOOK.replace("NAME", "mine"))
    assert ("mine", module, "mine-x2") in known_backends()
    assert load_backend("mine").name == "mine"


def test_a_plugin_may_replace_a_built_in_by_name(site: Path) -> None:
    install(site, "faster-x3", "selectors", HOOK.replace("NAME", "selectors"))
    assert type(load_backend("selectors")).__module__ == "faster_x3"


def test_a_broken_plugin_breaks_only_itself(site: Path) -> None:
    install(site, "broken-x4", "broken", "1 / 0")
    with pytest.raises(ConfigError, match="of broken-x4 "):
        load_backend("broken")
    assert load_backend("selectors").name == "selectors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(("", ""), "it offers no backend of that name, but NAME", id="another name"),
        pytest.param(("prefork_backends", "prefork_backend"), "unknown hook 'prefork_backend'", id="a misspelt hook"),
        pytest.param((" 1,", " 2,"), "it keeps contract 2, and this prefork speaks 1", id="another contract"),
        pytest.param(('frozenset({"session"})', '"session"'), "its styles are 'session'; expected a set", id="styles"),
        pytest.param(("None", "int"), "its options are <class 'int'>; expected a dataclass, or None", id="options"),
        pytest.param(("def run", "def serve"), r"it has no run\(\)", id="no run"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_named(
    site: Path, request: pytest.FixtureRequest, change: tuple[str, str], message: str
) -> None:
    code = HOOK.replace(*change) if change[0] else HOOK
    distribution = f"bad-{abs(hash(request.node.name))}"
    install(site, distribution, "bad", code.replace("NAME", "bad") if change[0] else code)
    with pytest.raises(ConfigError, match=message) as caught:
        load_backend("bad")
    assert f"backend 'bad' of {distribution} " in str(caught.value)


@dataclass(frozen=True)
class Options:
    loop: str = "auto"

    def __post_init__(self) -> None:
        if self.loop not in {"auto", "uvloop"}:
            raise ValueError(f"loop = {self.loop!r} is not one of auto, uvloop")


class WithOptions:
    name, contract, styles, options = "mine", 1, frozenset({"session"}), Options

    def run(self, *_: Any) -> None: ...


def test_options_are_made_of_the_table() -> None:
    assert make_options(WithOptions(), {"loop": "uvloop"}) == Options("uvloop")
    assert make_options(load_backend("selectors"), {}) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"lop": 1}, r"\[backends.mine\] lop: no such option; did you mean 'loop'\?", id="a misspelt key"),
        pytest.param({"zzz": 1}, r"\[backends.mine\] zzz: no such option; it has loop", id="an unknown key"),
        pytest.param({"loop": "x"}, r"\[backends.mine\] .*loop = 'x' is not one of", id="a bad value"),
    ],
)
def test_bad_options_are_told_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_options(WithOptions(), given)


def test_options_for_a_backend_without_any_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[backends.selectors\] loop: this backend has no options"):
        make_options(load_backend("selectors"), {"loop": 1})


def test_the_group_is_named_as_documented() -> None:
    assert GROUP == "prefork.backends"
