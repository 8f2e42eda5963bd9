from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prefork import client
from prefork.cli import instances
from prefork.cli.instances import find
from prefork.errors import ConfigError, PreforkError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Masters


def _refusal(config: str | None = None, control: str | None = None) -> tuple[int, str]:
    with pytest.raises(PreforkError) as caught:
        find(config, control)
    return caught.value.exit_code, str(caught.value)


def test_the_only_one_is_found_and_stale_sockets_are_skipped(masters: Masters) -> None:
    masters.stale(1)
    path = masters.default(2)
    assert find(None, None) == path


def test_none_is_one_line(folder: Path) -> None:
    expected = f"no instance of prefork runs (looked in {folder}/run/prefork): say -c FILE or --control PATH"
    assert _refusal() == (1, expected)


def test_several_are_listed(masters: Masters, folder: Path) -> None:
    masters.default(1, name="shop", config_file="/etc/shop.toml")
    masters.default(2)
    at = f"{folder}/run/prefork"
    assert _refusal() == (
        ConfigError.exit_code,
        (
            f"2 instances run: shop (pid 1, -c /etc/shop.toml) at {at}/1.ctl, prefork (pid 2) at {at}/2.ctl: "
            "say which one: --control PATH"
        ),
    )


def test_control_is_taken_at_its_word(folder: Path) -> None:
    assert str(find(None, "some/where.ctl")) == "some/where.ctl"
    assert folder.is_dir()


def test_a_config_file_s_own_control_is_it(folder: Path) -> None:
    (folder / "conf").mkdir()
    (folder / "conf" / "shop.toml").write_text('control = "shop.ctl"\nunknown = 1\n')
    assert find("conf/shop.toml", None) == folder / "conf" / "shop.ctl"


def test_a_control_given_elsewhere_is_found_by_the_file_all_the_same(masters: Masters, folder: Path) -> None:
    (folder / "shop.toml").write_text('control = "shop.ctl"\n')
    path = masters.default(1, config_file=str(folder / "shop.toml"))
    assert find("shop.toml", None) == path
    masters.start(folder / "shop.ctl", {})
    assert find("shop.toml", None) == folder / "shop.ctl"


def test_else_the_instance_that_says_it_read_that_file(masters: Masters, folder: Path) -> None:
    (folder / "shop.toml").write_text("")
    (folder / "link.toml").symlink_to("shop.toml")
    masters.default(1, config_file=str(folder / "other.toml"))
    path = masters.default(2, config_file=str(folder / "shop.toml"))
    assert find("shop.toml", None) == path
    assert find("link.toml", None) == path


def test_a_config_file_that_nobody_read_is_one_line(masters: Masters, folder: Path) -> None:
    (folder / "shop.toml").write_text("control = false")
    masters.default(1)
    expected = f"-c shop.toml: no instance with this config runs (looked in {folder}/run/prefork)"
    assert _refusal("shop.toml") == (1, expected)


def test_a_config_file_that_isn_t_there_is_one_line(folder: Path) -> None:
    assert folder.is_dir()
    assert _refusal("no.toml") == (2, "-c no.toml: there is no such file")


@pytest.mark.parametrize("file", ["prefork.toml", "pyproject.toml"])
def test_the_config_here_comes_before_the_only_one(masters: Masters, folder: Path, file: str) -> None:
    table = "[tool.prefork]\n" if file == "pyproject.toml" else ""
    (folder / file).write_text(f'{table}control = "run/echo.ctl"\n')
    masters.default(1)  # somebody else's: an order must not reach it while nobody listens at run/echo.ctl
    assert find(None, None) == folder / "run" / "echo.ctl"
    masters.start(folder / "run" / "echo.ctl", {})
    assert find(None, None) == folder / "run" / "echo.ctl"


def test_a_variable_comes_before_the_config_here(
    masters: Masters, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "prefork.toml").write_text('control = "run/echo.ctl"\n')
    masters.start(folder / "run" / "echo.ctl", {})
    path = masters.start(folder / "run" / "other.ctl", {})
    monkeypatch.setenv("PREFORK_CONTROL", "run/other.ctl")
    assert path.samefile(find(None, None))


def test_one_that_hangs_is_not_waited_for_long(masters: Masters, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "_PROBE_TIMEOUT", 0.05)
    masters.start(folder / "run" / "prefork" / "1.ctl", None)
    path = masters.default(2)
    assert find(None, None) == path
    assert client.ANSWER_TIMEOUT > instances._PROBE_TIMEOUT


def test_an_unsafe_folder_is_refused(folder: Path) -> None:
    (folder / "run" / "prefork").mkdir()
    (folder / "run" / "prefork").chmod(0o777)
    place = folder / "run" / "prefork"
    assert _refusal() == (1, f"{place}: others have access (mode 077 of 077): chmod 700 {place}")
