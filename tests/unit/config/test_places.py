from __future__ import annotations

import os
from pathlib import Path

import pytest

from prefork.places import PlaceError, control_folder, control_sockets, default_control, make_control_folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_the_place_is_under_the_user_s_runtime_folder(environ: dict[str, str], tmp_path: Path) -> None:
    assert default_control(42, environ) == tmp_path / "prefork" / "42.ctl"


@pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "run"}], ids=str)
def test_without_one_it_is_under_tmp_by_uid(environ: dict[str, str]) -> None:
    assert control_folder(environ) == Path(f"/tmp/prefork-{os.geteuid()}")


def test_the_folder_is_made_for_its_owner_alone(environ: dict[str, str], tmp_path: Path) -> None:
    folder = make_control_folder(environ)
    assert folder == tmp_path / "prefork"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make_control_folder(environ) == folder


def test_a_folder_open_to_others_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "prefork").mkdir()
    (tmp_path / "prefork").chmod(0o755)
    with pytest.raises(PlaceError) as caught:
        make_control_folder(environ)
    folder = tmp_path / "prefork"
    assert str(caught.value) == f"{folder}: others have access (mode 055 of 077): chmod 700 {folder}"


def test_a_link_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "prefork").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlaceError) as caught:
        make_control_folder(environ)
    expected = f"{tmp_path}/prefork: it is not a folder: move it away, or set control to another path"
    assert str(caught.value) == expected
    with pytest.raises(PlaceError):
        control_sockets(environ)


@pytest.mark.needs("root")  # only root can give a folder away
def test_somebody_else_s_folder_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "prefork").mkdir(mode=0o700)
    os.chown(tmp_path / "prefork", 12345, -1)
    with pytest.raises(PlaceError) as caught:
        make_control_folder(environ)
    expected = f"{tmp_path}/prefork: it belongs to uid 12345, not to uid 0: set control to another path"
    assert str(caught.value) == expected


def test_a_runtime_folder_that_isn_t_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlaceError) as caught:
        make_control_folder({"XDG_RUNTIME_DIR": str(tmp_path / "no")})
    expected = f"{tmp_path}/no/prefork: the folder of control sockets can't be made: No such file or directory"
    assert str(caught.value) == expected


def test_sockets_are_listed_by_name_and_nothing_else(environ: dict[str, str]) -> None:
    assert control_sockets(environ) == []
    folder = make_control_folder(environ)
    for name in ("2.ctl", "1.ctl", "notes.txt"):
        (folder / name).touch()
    assert control_sockets(environ) == [folder / "1.ctl", folder / "2.ctl"]
