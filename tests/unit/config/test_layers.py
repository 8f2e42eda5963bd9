from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefork import DemandSizing, SpareSizing, StaticSizing
from prefork.errors import AppError, ConfigError
from prefork.layers import Sources, require_app
from prefork.layers.shape import shape

if TYPE_CHECKING:
    from tests.unit.config.conftest import Project

APP = 'app = "echo.py:Echo"\n'
PYPROJECT = '[project]\nname = "x"\n[tool.prefork]\napp = "low.py:Low"\n[tool.prefork.pool]\nmax_workers = 11\n'


def test_each_layer_covers_the_one_below(project: Project) -> None:
    project.write("pyproject.toml", PYPROJECT)
    assert project.load().config.pool.max_workers == 11
    project.write("prefork.toml", "[pool]\nmax_workers = 12\n")
    assert project.load().config.pool.max_workers == 12
    environ = {"PREFORK_POOL_MAX_WORKERS": "13"}
    assert project.load(environ=environ).config.pool.max_workers == 13
    assert project.load(environ=environ, flags={"pool": {"max_workers": "14"}}).config.pool.max_workers == 14


def test_each_value_knows_who_said_it(project: Project) -> None:
    project.write("pyproject.toml", PYPROJECT)
    project.write("prefork.toml", "[pool.sizing]\nmin_spare = 1\n[backends.selectors]\nx = {y = 1}\n")
    loaded = project.load(
        environ={"PREFORK_NAME": "shop"},
        flags={"pool": {"min_workers": "2"}, "app": "top.py:Top"},
        spelled={"pool.min_workers": "--min-workers", "app": "APP"},
    )
    assert loaded.origins == {
        "app": "APP",
        "name": "PREFORK_NAME",
        "pool.max_workers": "pyproject.toml",
        "pool.min_workers": "--min-workers",
        "pool.sizing.min_spare": "prefork.toml",
        "backends.selectors.x.y": "prefork.toml",
    }


def test_a_file_that_is_asked_for_stands_for_prefork_toml(project: Project) -> None:
    project.write("prefork.toml", "[pool]\nmax_workers = 12\n")
    project.write("conf/shop.toml", APP)
    loaded = project.load(file="conf/shop.toml")
    assert (loaded.config.pool.max_workers, loaded.origins) == (20, {"app": "conf/shop.toml"})


def test_pyproject_toml_may_be_asked_for(project: Project) -> None:
    project.write("pyproject.toml", PYPROJECT)
    assert project.load(file="pyproject.toml").config.pool.max_workers == 11


def test_a_pyproject_toml_without_our_table_says_nothing(project: Project) -> None:
    project.write("pyproject.toml", '[tool.other]\napp = "x"\n')
    assert project.load(flags={"app": "a:b"}).config_file is None


def test_another_kind_drops_the_keys_of_the_layers_below(project: Project) -> None:
    project.write("prefork.toml", APP + '[pool.sizing]\nkind = "spare"\nmin_spare = 3\n')
    loaded = project.load(flags={"pool": {"sizing": {"kind": "static", "workers": "4"}}})
    assert loaded.config.pool.sizing == StaticSizing(workers=4)
    assert "pool.sizing.min_spare" not in loaded.origins


def test_another_kind_than_the_default_drops_them_too(project: Project) -> None:
    project.write("prefork.toml", APP + "[pool.sizing]\nmin_spare = 3\n")
    assert project.load(environ={"PREFORK_POOL_SIZING_KIND": "static"}).config.pool.sizing == StaticSizing()


def test_the_same_kind_keeps_them(project: Project) -> None:
    project.write("prefork.toml", APP + '[pool.sizing]\nkind = "spare"\nmin_spare = 2\n')
    assert project.load(environ={"PREFORK_POOL_SIZING_KIND": "spare"}).config.pool.sizing == SpareSizing(min_spare=2)
    project.write("prefork.toml", APP + "[pool.sizing]\nmin_spare = 2\n")
    assert project.load(environ={"PREFORK_POOL_SIZING_KIND": "demand"}).config.pool.sizing == DemandSizing(min_spare=2)


def test_a_file_s_relative_paths_are_relative_to_it(project: Project) -> None:
    project.write(
        "conf/shop.toml",
        'app = "echo.py:Echo"\nlisten = ["unix:run/a.sock", "tcp://127.0.0.1:0"]\ncontrol = "shop.ctl"\n',
    )
    config = project.load(file="conf/shop.toml").config
    folder = project.folder / "conf"
    assert config.app == f"{folder}/echo.py:Echo"
    assert [each.url for each in config.listen] == [f"unix:{folder}/run/a.sock", "tcp://127.0.0.1:0"]
    assert config.control == folder / "shop.ctl"


def test_a_table_s_socket_is_relative_to_its_file(project: Project) -> None:
    project.write("conf/shop.toml", APP + '[[listen]]\nurl = "unix:a.sock"\nbacklog = 5\n')
    (listener,) = project.load(file="conf/shop.toml").config.listen
    assert (listener.url, listener.backlog) == (f"unix:{project.folder}/conf/a.sock", 5)


def test_certificates_are_relative_to_their_file(project: Project) -> None:
    project.write(
        "conf/shop.toml",
        APP + '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a.pem"\nkey = "/b.key"\nclient_ca = "../ca.pem"\n',
    )
    (listener,) = project.load(file="conf/shop.toml").config.listen
    assert listener.tls is not None
    folder = project.folder / "conf"
    assert (listener.tls.cert, listener.tls.key) == (folder / "a.pem", Path("/b.key"))
    assert listener.tls.client_ca == folder / ".." / "ca.pem"


def test_paths_of_variables_and_flags_are_relative_to_the_current_directory(project: Project) -> None:
    project.write("conf/shop.toml", APP)
    loaded = project.load(
        file="conf/shop.toml",
        environ={"PREFORK_LISTEN": "unix:a.sock, unix:/b.sock", "PREFORK_CONTROL": "c.ctl"},
        flags={"app": "./top.py:Top"},
    )
    assert loaded.config.app == f"{project.folder}/top.py:Top"
    assert [each.url for each in loaded.config.listen] == [f"unix:{project.folder}/a.sock", "unix:/b.sock"]
    assert loaded.config.control == project.folder / "c.ctl"


def test_false_stays_false(project: Project) -> None:
    project.write("prefork.toml", APP + "control = false\n")
    assert project.load().config.control is False
    assert project.load(environ={"PREFORK_CONTROL": "false"}).config.control is False


APP_PATHS: dict[str, tuple[str | None, dict[str, Any], str | None]] = {
    "a file needs none": ('app = "echo.py:Echo"', {}, None),
    "a module of a config file is found beside it": ('app = "shop:app"', {}, "conf"),
    "a module of the command line is found here": (None, {"flags": {"app": "shop:app"}}, ""),
    "a module of a variable is found here": (None, {"environ": {"PREFORK_APP": "shop:app"}}, ""),
    "who speaks last decides": ('app = "shop:app"', {"flags": {"app": "shop:app"}}, ""),
}


@pytest.mark.parametrize(("toml", "sources", "folder"), APP_PATHS.values(), ids=APP_PATHS)
def test_a_module_is_looked_for_where_it_is_said(
    project: Project, toml: str | None, sources: dict[str, Any], folder: str | None
) -> None:
    if toml is not None:
        project.write("conf/shop.toml", toml)
        sources = sources | {"file": "conf/shop.toml"}
    expected = None if folder is None else str(project.folder / folder)
    assert project.load(**sources).app_path == expected


def test_the_config_file_is_named_without_links(project: Project) -> None:
    real = project.write("real/shop.toml", APP)
    (project.folder / "link.toml").symlink_to(real)
    assert project.load(file="link.toml").config_file == str(real)


FOREIGN = (
    *("PREFORK_TEST", "PREFORK_TEST_SEED", "PREFORK_SERVICE_HOST", "PREFORK_SERVICE_PORT_HTTP", "PREFORK_PORT"),
    *("PREFORK_PORT_80_TCP", "PREFORK_PORT_80_TCP_ADDR", "PREFORK_WEB_SERVICE_HOST", "PREFORK_WEB_PORT_80_UDP_PROTO"),
    *("PATH", "PREFORKED"),
)


@pytest.mark.parametrize("name", FOREIGN)
def test_variables_of_others_are_left_alone(project: Project, name: str) -> None:
    assert project.load(flags={"app": "a:b"}, environ={name: "tcp://10.0.0.1:80"}).origins.keys() == {"app"}


def test_each_leaf_has_a_variable_that_sets_it(project: Project) -> None:
    project.write("prefork.toml", APP)
    texts = {
        "name": "x",
        "backend": "x",
        "app": "a:b",
        "listen": "tcp://h:1",
        "control": "x",
        "shadow": "x",
        "journal.path": "x",
        "journal.max_size": "1MiB",
        "pool.sizing.kind": "spare",
    }
    for leaf in shape().leaves.values():
        kind = leaf.kinds[0] if leaf.kinds else "spare"
        environ = {"PREFORK_POOL_SIZING_KIND": kind, leaf.variable: texts.get(leaf.dotted, _allowed(leaf.path[-1]))}
        assert project.load(environ=environ).origins[leaf.dotted] == leaf.variable


def _allowed(name: str) -> str:
    return {"jitter": "0.5", "max_unavailable": "0.5", "heartbeat_timeout": "60s", "heartbeat_interval": "1"}.get(
        name, "1" if name == "saturation" else "3"
    )


def test_variables_and_flags_are_told_apart() -> None:
    leaves = list(shape().leaves.values())
    assert len({leaf.variable for leaf in leaves}) == len(leaves)
    flags = [flag for leaf in leaves for flag in shape().flags(leaf)]
    assert len(set(flags)) == len(flags)
    assert shape().flags(shape().leaves["pool", "max_workers"]) == ("--pool.max-workers", "--max-workers")
    assert shape().flags(shape().leaves["name",]) == ("--name",)


def test_sources_survive_json() -> None:
    sources = Sources("/x", "a.toml", {"pool": {"max_workers": "4"}}, {"pool.max_workers": "-w"}, {"PREFORK_NAME": "n"})
    assert Sources.from_json(json.loads(json.dumps(sources.to_json()))) == sources
    assert Sources.from_json(json.loads(json.dumps(Sources("/x").to_json()))) == Sources("/x")


def test_sources_keep_only_our_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    sources = Sources.here(environ={"PREFORK_NAME": "n", "SECRET": "s"})
    assert sources == Sources(str(tmp_path), environ={"PREFORK_NAME": "n"})


def test_a_current_directory_that_is_gone_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match=r"^the current directory can't be named: No such file or directory$"):
        Sources.here()


def test_an_app_that_is_not_there_is_named_with_its_source(project: Project) -> None:
    project.write("prefork.toml", APP)
    with pytest.raises(AppError) as caught:
        require_app(project.load())
    file = project.folder / "echo.py"
    assert str(caught.value) == f"prefork.toml: app: '{file}:Echo': there is no file {file}"


def test_an_app_that_is_there_or_a_module_is_left_to_the_mold(project: Project) -> None:
    project.write("echo.py", "")
    require_app(project.load(flags={"app": "echo.py:Echo"}))
    require_app(project.load(flags={"app": "no.such.module:app"}))


def test_the_master_s_part_imports_neither_cyclopts_nor_rich() -> None:
    code = "import sys, prefork.layers; print(sorted({'cyclopts', 'rich', 'attrs'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout == "[]\n"
