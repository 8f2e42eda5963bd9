from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from prefork.backends.options import fits, make_options, prepare
from prefork.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prefork.app.styles import Style, Support


@dataclass(frozen=True)
class Options:
    loop: str = "auto"
    threads: int | None = None
    names: list[str] = field(default_factory=list)
    mode: Literal["fast", "safe"] = "fast"

    def __post_init__(self) -> None:
        if self.loop not in {"auto", "uvloop"}:
            raise ValueError(f"loop = {self.loop!r} is not one of auto, uvloop")


class WithOptions:
    name, contract, options = "mine", 1, Options
    styles: Mapping[Style, Support] = {"session": "native"}

    def run(self, *_: Any) -> None: ...


class WithoutOptions(WithOptions):
    options = None  # type: ignore[assignment]


class Failing(WithOptions):
    """Raises what it was made with."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @property
    def options(self) -> type:  # type: ignore[override]
        @dataclass
        class Fails:
            def __post_init__(fails) -> None:  # noqa: N805
                raise self.error

        return Fails

    def prepare(self, _options: object) -> None:
        raise self.error


@pytest.mark.parametrize("error", [OSError("no ring buffers"), SystemExit("no ring buffers")])
def test_a_backend_that_fails_to_prepare_is_named(error: BaseException) -> None:
    kind = type(error).__name__
    with pytest.raises(ConfigError, match=rf"^backend 'mine' \(.*\): prepare\(\) raised {kind}: no ring buffers$"):
        prepare(Failing(error), None)


def test_options_that_fail_in_a_way_of_their_own_are_named() -> None:
    with pytest.raises(ConfigError, match=r"^\[backends.mine\] {}: OSError: no ring buffers$"):
        make_options(Failing(OSError("no ring buffers")), {})


def test_options_are_made_of_the_table() -> None:
    assert make_options(WithOptions(), {"loop": "uvloop"}) == Options("uvloop")
    assert make_options(WithoutOptions(), {}) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"lop": 1}, r"\[backends.mine\] lop: no such option; did you mean 'loop'\?", id="a misspelt key"),
        pytest.param(
            {"zzz": 1}, r"\[backends.mine\] zzz: no such option; it has loop, threads, names, mode", id="an unknown key"
        ),
        pytest.param({"loop": 5}, r"^\[backends.mine\] loop: expected str, not 5$", id="a wrong type"),
        pytest.param({"threads": "2"}, r"threads: expected int or None, not '2'$", id="a wrong type of two"),
        pytest.param({"mode": "slow"}, r"mode: expected one of 'fast', 'safe', not 'slow'$", id="no choice"),
        pytest.param({"names": ["a", 1]}, r"names: expected list\[str\], not \['a', 1\]$", id="a wrong item"),
        pytest.param({"loop": "x"}, r"\[backends.mine\] .*loop = 'x' is not one of", id="a bad value"),
    ],
)
def test_bad_options_are_told_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_options(WithOptions(), given)


def test_options_for_a_backend_without_any_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[backends.mine\] loop: this backend has no options"):
        make_options(WithoutOptions(), {"loop": 1})


def test_an_option_without_a_default_has_to_be_given() -> None:
    @dataclass
    class Needs:
        path: str

    backend = WithOptions()
    backend.options = Needs  # type: ignore[assignment]
    with pytest.raises(ConfigError, match=r"^\[backends.mine\] path: not given, and it has no default$"):
        make_options(backend, {})
    assert make_options(backend, {"path": "x"}) == Needs("x")


def test_types_that_exist_for_type_checkers_alone_are_not_checked() -> None:
    @dataclass
    class Unknown:
        at: Nowhere = 0  # type: ignore[name-defined]  # noqa: F821

    backend = WithOptions()
    backend.options = Unknown  # type: ignore[assignment]
    assert make_options(backend, {"at": "x"}) == Unknown("x")


@pytest.mark.parametrize(
    ("value", "kind", "fitting"),
    [
        (1, int, True),
        (True, int, False),
        (1.5, int, False),
        (1, float, True),
        (False, float, False),
        (True, bool, True),
        ("x", str, True),
        (1, str, False),
        ("fast", Literal["fast", 1], True),
        (True, Literal["fast", 1], False),
        (None, int | None, True),
        ("x", int | None, False),
        (["a", "b"], list[str], True),
        (["a", 1], list[str], False),
        ("ab", list[str], False),
        (["a"], tuple[str, ...], True),
        (["a", 1], tuple[str, int], True),
        (["a"], tuple[str, int], False),
        (["a", "b"], tuple[str, int], False),
        (["a", "b", "c"], tuple[str, str], False),
        (str, type[str] | None, True),
        ("str", type[str] | None, False),
        ({}, dict[str, int], True),
    ],
)
def test_a_value_fits_a_type(value: object, kind: Any, fitting: bool) -> None:
    assert fits(value, kind) is fitting
