"""What pydantic found wrong, as one line that names source, field and value, and says what to do."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from prefork.config import Listener, TlsConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

    from prefork.layers.shape import Path, Shape
    from prefork.layers.tree import Said

_LONGEST_VALUE = 80
_NO_APP = 'not given: say `prefork serve file.py:NAME`, or app = "file.py:NAME" in prefork.toml'
_WRONG_TYPE = {
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_parsing_size": "is not a number that anybody needs",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "string_type": "is not text",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "dict_type": "is not a table",
    "string_too_short": "is empty",
    "path_type": "is not a path",
    "tuple_type": "is not a list",
    "string_pattern_mismatch": "is not a plain name: letters, digits, '_', '.' and '-', 64 at most",
}
_BOUNDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than_equal": lambda context: f"is under the least, {context['ge']:g}",
    "less_than_equal": lambda context: f"is over the most, {context['le']:g}",
}


class Narrator:
    """Tells errors of one merged config; `said` is every value of it."""

    def __init__(self, shape: Shape, said: Mapping[Path, Said]) -> None:
        self._shape = shape
        self._said = said

    def tell(self, errors: list[ErrorDetails]) -> str:
        """Return the first error; the fields of the others are named behind it."""
        first, *others = errors
        fields = sorted({_dotted(self._place(error["loc"])) for error in others} - {_dotted(self._place(first["loc"]))})
        more = f" (also wrong: {', '.join(fields)})" if fields else ""
        return one_line(self._one(first) + more)

    def _one(self, error: ErrorDetails) -> str:
        place = self._place(error["loc"])
        if error["type"] == "union_tag_invalid":
            place = (*place, "kind")
        elif error["type"] == "value_error" and place[-1:] == ("url",):
            place = place[:1]  # the text names the URL, which may well stand there without its table
        text = self._text(error, place)
        said = self._source(place)
        if said is None:
            return self._about_several(place, text)
        return f"{said.source}: {_dotted(place)}: {text}" if said.file else f"{said.source}: {text}"

    def _place(self, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
        """Return the field as files name it: without the kind that pydantic puts in."""
        place: tuple[int | str, ...] = ()
        for part in loc:
            choice = self._shape.choices.get(place)  # type: ignore[arg-type] # a place with a number is no choice
            if choice is None or part not in choice.members:
                place = (*place, part)
        return place

    def _source(self, place: tuple[int | str, ...]) -> Said | None:
        """Return who said the value there; for a place inside of a list, who said the list."""
        fields = tuple(part for part in place if isinstance(part, str))
        if len(fields) != len(place):
            fields = fields[: place.index(next(part for part in place if isinstance(part, int)))]
        if fields in self._said or fields in self._shape.tables:
            return self._said.get(fields)  # what is wrong with a table as a whole has no single source
        return next((said for path, said in self._said.items() if path[: len(fields)] == fields), None)

    def _about_several(self, place: tuple[int | str, ...], text: str) -> str:
        """Tell what no single value is guilty of; the sources are those of the fields that the text names."""
        named: list[tuple[int, Said]] = []
        for path, said in self._said.items():
            if path[: len(place)] == place:
                found = re.search(rf"(?<![\w.]){re.escape('.'.join(path[len(place) :]))}(?![\w.])", text)
                named += [(found.start(), said)] if found else []
        saids = [said for _, said in sorted(named, key=lambda item: item[0])]
        sources = ", ".join(dict.fromkeys(said.source for said in saids))
        field = _dotted(place) if place and (not saids or any(said.file for said in saids)) else ""
        return ": ".join(part for part in (sources, field, text) if part)

    def _text(self, error: ErrorDetails, place: tuple[int | str, ...]) -> str:
        kind, context = error["type"], error.get("ctx", {})
        said = self._source(place)
        value = shown(said.value if said is not None and place in self._said else error["input"])
        match kind:
            case "value_error":
                text = error["msg"].removeprefix("Value error, ")
            case "missing":
                text = _NO_APP if place == ("app",) else "not given"
            case "extra_forbidden":
                text = self._unknown(place)
            case "union_tag_invalid":
                text = self._unknown_kind(place, error["input"]["kind"])
            case _ if kind in _BOUNDS:
                text = f"{value} {_BOUNDS[kind](context)}"
            case _:
                text = f"{value} {_WRONG_TYPE.get(kind) or 'is refused: ' + error['msg']}"
        return text

    def _unknown(self, place: tuple[int | str, ...]) -> str:
        """Tell of a key that nobody knows, or that another kind of its table knows."""
        *above, key = place
        choice = self._shape.choices.get(tuple(above))  # type: ignore[arg-type] # a place with a number is no choice
        homes = [kind for kind, keys in choice.members.items() if key in keys] if choice else []
        if choice and homes:
            chosen = self._said.get((*map(str, above), "kind"))
            kind = f'"{chosen.value}" ({chosen.source})' if chosen else f'"{choice.default}" (the default)'
            return f'it belongs to kind = "{homes[0]}", and the kind is {kind}'
        return f"unknown key; {self._suggestion(place)}"

    def _suggestion(self, place: tuple[int | str, ...]) -> str:
        above = tuple(part for part in place[:-1] if isinstance(part, str))
        key = str(place[-1]).replace("-", "_").lower()
        siblings = _IN_LISTS.get(above) or self._shape.tables.get(above, frozenset())
        here = {name: _dotted((*place[:-1], name)) for name in siblings}
        elsewhere = {path[-1]: _dotted(path) for path in self._shape.leaves}
        for names, likeness in ((here, 0.99), (elsewhere, 0.99), (here, 0.6), (elsewhere, 0.8)):
            if close := get_close_matches(key, sorted(names), n=1, cutoff=likeness):
                return f"did you mean {names[close[0]]}?"
        return f"known: {', '.join(sorted(siblings))}"

    def _unknown_kind(self, place: tuple[int | str, ...], kind: object) -> str:
        known = sorted(self._shape.choices[tuple(map(str, place[:-1]))].members)
        close = get_close_matches(str(kind), known, n=1)
        return f"{shown(kind)} is not known: {' or '.join(known)}" + (f"; did you mean {close[0]}?" if close else "")


_IN_LISTS = {
    ("listen",): frozenset(Listener.model_fields),
    ("listen", "tls"): frozenset(TlsConfig.model_fields),
}
"""Tables that variables and flags can't say."""


def one_line(text: str) -> str:
    """Return the text in one line that moves no cursor: runs of blanks become one, the unprintable an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in " ".join(text.split()))


def shown(value: object) -> str:
    """Return a value as TOML would write it, more or less, cut where it is long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _dotted(place: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
