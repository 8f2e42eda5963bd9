"""The values of a config without the model that judged them.

Theory. A master reads its config for as long as it lives, and judges it never; pydantic with the models' schemas would
be half of its private memory. So who has judged a config hands on its plain form: attributes of the same names, which
compare, hash, vary and cross a process as the model does. To the type checker it is the model (`Table.plain`): who only
reads can't tell them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Plain:
    """One table: frozen, equal by its values. What it shares with a model has the model's names."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name}: a config is frozen")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((*vars(self).values(),))

    def model_copy(self, *, update: Mapping[str, Any]) -> Plain:
        """The same table with other values."""
        return Plain(vars(self) | dict(update))

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The table as JSON has it: of numbers, words, and tables of such."""
        return {
            name: value.model_dump(mode=mode) if isinstance(value, Plain) else value
            for name, value in vars(self).items()
        }
