"""Loads and lengths in one word, as a command line says them: `flash:base=5,peak=100`, `pareto:200ms`.

A word is a kind, a colon, and values by the names of the kind's own fields; the first may stand without its name.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from prefork.simulation.crowds import ClockBursts, Reconnect
from prefork.simulation.durations import as_ns
from prefork.simulation.lengths import Constant, Exponential, Length, Lognormal, LongLived, Pareto
from prefork.simulation.traffic import Flash, OnOff, Poisson, Sine, Square, Step, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from dataclasses import Field

_COMMON = tuple(field.name for field in fields(Traffic))
Made = TypeVar("Made", Traffic, Length)

TRAFFICS: dict[str, type[Traffic]] = {
    "poisson": Poisson,
    "step": Step,
    "square": Square,
    "sine": Sine,
    "flash": Flash,
    "onoff": OnOff,
    "bursts": ClockBursts,
    "reconnect": Reconnect,
}
LENGTHS: dict[str, type[Length]] = {
    "constant": Constant,
    "exponential": Exponential,
    "pareto": Pareto,
    "lognormal": Lognormal,
    "longlived": LongLived,
}


def traffic_of(word: str, **defaults: Any) -> Traffic:  # noqa: ANN401 - `lasts` and `length`
    """Return the load that a word says. Raises ValueError, one line, also for what no such load can be."""
    made = _made(TRAFFICS, "traffic", word, defaults)
    next(iter(made.sessions(0)), None)  # what can't be is told when the first one comes
    return made


def length_of(word: str) -> Length:
    """Return the lengths that a word says; a duration alone is the mean of exponential ones. Raises ValueError."""
    if re.match(r"\s*[0-9.]", word):
        as_ns(word, "length")
        return Exponential(word)
    return _made(LENGTHS, "length", word, {})


def usage(kinds: Mapping[str, type[Any]]) -> str:
    """Return each kind with its own fields: `flash:base=N,peak=N[,at=1m,…]`; what every kind has is left out."""
    return "; ".join(
        f"{name}:{_signature(kind, _COMMON if issubclass(kind, Traffic) else ())}" for name, kind in kinds.items()
    )


def pairs_of(rest: str, names: Iterable[str]) -> dict[str, str]:
    """Return `key=value,…` as a dict; the first may be a value alone, which is the first name's. Raises ValueError."""
    known, said = list(names), dict[str, str]()
    for position, part in enumerate(filter(None, map(str.strip, rest.split(",")))):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals and position == 0:
            key, value = known[0], part
        elif not equals:
            raise ValueError(f"{part!r} has no name: write NAME=VALUE, with one of {', '.join(known)}")
        if key not in known:
            raise ValueError(f"there is no {key!r}{_guess(key, known)}")
        if key in said:
            raise ValueError(f"{key} is there twice")
        said[key] = value
    return said


def _made(kinds: Mapping[str, type[Made]], what: str, word: str, defaults: Mapping[str, Any]) -> Made:
    name, _, rest = word.partition(":")
    kind = kinds.get(name.strip())
    if kind is None:
        raise ValueError(f"{name!r} is no kind of {what}{_guess(name, list(kinds))}")
    own = {each.name: each for each in _own(kind)}
    values = {key: _value(own[key], text) for key, text in pairs_of(rest, own).items()}
    missing = [each.name for each in own.values() if _is_needed(each) and each.name not in values]
    if missing:
        raise ValueError(f"{', '.join(missing)}: not given: write {name}:{_signature(kind)}")
    return kind(**{key: value for key, value in defaults.items() if key in own} | values)


def _value(field: Field[Any], text: str) -> Any:  # noqa: ANN401 - what the field takes
    return _READERS[str(field.type)](field.name, text)


def _duration(name: str, text: str) -> str:
    as_ns(text, name)
    return text


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is no number") from None


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is no whole number") from None


_READERS: dict[str, Callable[[str, str], Any]] = {
    "Duration": _duration,
    "float": _number,
    "int": _whole,
    "Length": lambda _, text: length_of(text),
}
"""By the annotation of the field."""


def _own(kind: type[Any]) -> list[Field[Any]]:
    """Fields that a word can say, those without a name first."""
    return sorted(fields(kind), key=lambda field: field.kw_only is True)


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _signature(kind: type[Any], left_out: Collection[str] = ()) -> str:
    own = [each for each in _own(kind) if each.name not in left_out]
    needed = ",".join(f"{each.name}=N" for each in own if _is_needed(each))
    others = ",".join(f"{each.name}={_default(each)}" for each in own if not _is_needed(each))
    return f"{needed}[,{others}]" if needed and others else needed or others


def _default(field: Field[Any]) -> str:
    value = field.default if field.default is not MISSING else "exponential:200ms"
    if isinstance(value, Exponential):
        return f"{value.mean}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _guess(said: str, known: list[str]) -> str:
    close = get_close_matches(said, known, n=1)
    return f"; did you mean {close[0]}?" if close else f": it is one of {', '.join(known)}"
