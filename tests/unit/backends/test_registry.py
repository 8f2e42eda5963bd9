from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from prefork.app.app import App
from prefork.backends.contract import GROUP
from prefork.backends.registry import KnownBackend, known_backends, load_backend, require_style
from prefork.errors import ConfigError
from tests.distributions import HOOK, install

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path to install distributions in."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_selectors_is_known_where_prefork_is_installed_or_not() -> None:
    assert KnownBackend("selectors", "prefork.backends.selector_loop", "prefork") in known_backends()
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
        f"backend 'asynci' is not known; installed: {installed}; did you mean 'asyncio'? "
        "(third-party backends register in the entry-point group 'prefork.backends')"
    )


def test_a_third_partys_backend_is_loaded_by_name(site: Path) -> None:
    module = install(site, "mine-x2", "mine", HOOK.replace("NAME", "mine"))
    assert KnownBackend("mine", module, "mine-x2") in known_backends()
    assert load_backend("mine").name == "mine"


def test_a_plugin_may_replace_a_built_in_by_name(site: Path) -> None:
    install(site, "faster-x3", "selectors", HOOK.replace("NAME", "selectors"))
    assert type(load_backend("selectors")).__module__ == "faster_x3"
    assert KnownBackend("selectors", "faster_x3", "faster-x3", "prefork") in known_backends()


def test_of_two_plugins_with_one_name_the_last_by_name_of_its_distribution_wins(site: Path) -> None:
    for distribution in ("third-x6", "first-x6", "second-x6"):
        install(site, distribution, "mine", HOOK.replace("NAME", "mine"))
    assert type(load_backend("mine")).__module__ == "third_x6"
    assert KnownBackend("mine", "third_x6", "third-x6", "second-x6") in known_backends()


def test_a_distribution_that_is_there_twice_is_the_one_that_python_imports(site: Path) -> None:
    install(site, "twice-x7", "mine", HOOK.replace("NAME", "mine"))
    (site / "behind").mkdir()
    install(site / "behind", "twice-x7", "mine", "1 / 0")
    sys.path.append(str(site / "behind"))
    assert load_backend("mine").name == "mine"
    assert KnownBackend("mine", "twice_x7", "twice-x7") in known_backends()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param("1 / 0", r"of broken-\w+ \(broken_\w+\): ZeroDivisionError: division by zero", id="raises"),
        pytest.param("raise SystemExit(3)", r"of broken-\w+ \(broken_\w+\): SystemExit: 3", id="exits"),
        pytest.param("import nothing_x", "ModuleNotFoundError: No module named 'nothing_x'", id="lacks a module"),
    ],
)
def test_a_broken_plugin_breaks_only_itself(site: Path, code: str, message: str) -> None:
    install(site, f"broken-x{len(code)}", "broken", code)
    with pytest.raises(ConfigError, match=message):
        load_backend("broken")
    assert load_backend("selectors").name == "selectors"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("entry_points.txt", "[prefork.backends]\nno value\n", id="entry points that are none"),
        pytest.param("entry_points.txt", "\0", id="no text"),
        pytest.param("METADATA", None, id="no metadata"),
        pytest.param("METADATA", "Version: 1.0\n", id="no name"),
    ],
)
def test_broken_metadata_breaks_only_its_distribution(site: Path, file: str, text: str | None) -> None:
    install(site, "broken-x8", "broken", HOOK.replace("NAME", "broken"))
    path = site / "broken_x8-1.0.dist-info" / file
    path.unlink() if text is None else path.write_text(text)
    install(site, "mine-x8", "mine", HOOK.replace("NAME", "mine"))
    found = {each.name: each.distribution for each in known_backends()}
    assert (found["mine"], found["selectors"]) == ("mine-x8", "prefork")
    assert found.get("broken", "an unnamed distribution") == "an unnamed distribution"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(("", ""), "it offers no backend of that name, but NAME", id="another name"),
        pytest.param(("prefork_backends", "prefork_backend"), "unknown hook 'prefork_backend'", id="a misspelt hook"),
        pytest.param((" 1,", " 2,"), "it keeps contract 2, and this prefork speaks 1", id="another contract"),
        pytest.param(('{"session": "native"}', '"session"'), "its styles are 'session'; expected {style", id="styles"),
        pytest.param(("None", "int"), "its options are <class 'int'>; expected a dataclass, or None", id="options"),
        pytest.param(('"native"', '"quick"'), r"its styles are \{'session': 'quick'\}; expected", id="no support"),
        pytest.param(("def run", "def serve"), r"it has no run\(\)", id="no run"),
        pytest.param(("@hookimpl", ""), "it has no hook prefork_backends", id="no mark"),
        pytest.param(("[Backend()]", "Backend()"), r"prefork_backends\(\) returned .*; expected a list", id="no list"),
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


def _wsgi(_environ: object, _start_response: object) -> None:
    """An app that selectors doesn't run."""


def test_an_app_whose_style_the_loop_cannot_run_is_told_the_loops_that_can(site: Path) -> None:
    install(site, "web-x9", "web-x9", HOOK.replace("NAME", "web-x9").replace("session", "wsgi"))
    install(site, "bad-x9", "bad-x9", "raise ValueError")
    with pytest.raises(
        ConfigError, match=r"^backend 'selectors' can't run an app of style 'wsgi': use backend = "
    ) as no:
        require_style(App(_wsgi), "selectors", load_backend("selectors"))
    assert "'web-x9'" in str(no.value)
    assert "bad-x9" not in str(no.value)
    require_style(App(_wsgi), "web-x9", load_backend("web-x9"))


def test_the_group_is_named_as_documented() -> None:
    assert GROUP == "prefork.backends"
