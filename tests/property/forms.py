"""Which canonical forms a search has met: a table in memory that its processes share, a word a form.

Theory. A word holds 60 bits of a form's digest and how many levels were still to go when it was met: a form that is met
again with more to go counts as new. Words are written whole, and nobody takes one away; so processes need no lock. Two
that write to one place at the same moment lose one of their words, and that form may be looked at twice: never not at
all. That two of five million forms share 60 bits, so that one of them is missed, is as likely as 1 in 90,000.
"""

from __future__ import annotations

import marshal
from hashlib import blake2b
from mmap import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.property.canon import Form

LEVELS = 4
"""Bits of a word for the levels to go, and one."""


class Forms:
    """Room for 3/4 of `2 ** bits` forms, which processes have to share."""

    def __init__(self, bits: int = 20) -> None:
        self._words = memoryview(mmap(-1, 8 << bits)).cast("Q")
        self._mask = (1 << bits) - 1
        self.room = 3 << bits - 2

    def claim(self, form: Form, left: int) -> bool:
        """Tell whether it is new, or was met with fewer levels to go; it is no longer. Raises MemoryError when full."""
        whole = int.from_bytes(blake2b(marshal.dumps(form, 2), digest_size=8).digest(), "little")
        name, words, place = whole >> LEVELS, self._words, whole >> LEVELS & self._mask
        while there := words[place]:
            if there >> LEVELS == name:
                if (there & 15) > left:
                    return False
                break
            place = place + 1 & self._mask
        self.room -= 1
        if self.room < 0:
            raise MemoryError(f"{len(words)} words are too few for the forms of this search")
        words[place] = name << LEVELS | left + 1
        return True

    def __len__(self) -> int:
        return sum(map(bool, self._words))
