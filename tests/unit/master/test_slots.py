"""Shared memory: slots are zeroed, tagged, reused and grown; a second mapping sees each word whole."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

import pytest

from prefork import wire
from prefork.master.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def slots() -> Iterator[Slots]:
    made = Slots()
    yield made
    made.close()


def test_a_slot_is_tagged_with_its_worker_and_otherwise_zero(slots: Slots) -> None:
    words = slots.read(slots.take(7))
    assert words == [7] + [0] * (wire.WORDS - 1)


def test_a_slot_given_back_is_zeroed_for_the_next_worker(slots: Slots) -> None:
    slot = slots.take(1)
    slots.write(slot, wire.ACCEPTED, 99)
    slots.give_back(slot)
    assert slots.take(2) == slot
    assert slots.read(slot)[wire.ACCEPTED] == 0


def test_it_grows_and_keeps_what_was_written(slots: Slots) -> None:
    first = slots.take(1)
    slots.write(first, wire.WANTED, 5)
    taken = [slots.take(worker) for worker in range(2, 200)]
    assert len({first, *taken}) == 199
    assert slots.read(first)[wire.WANTED] == 5


def test_another_mapping_of_the_descriptor_sees_what_was_written(slots: Slots) -> None:
    slot = slots.take(3)
    slots.write(slot, wire.DRAIN_BY, 2**63)
    other = mmap.mmap(slots.fd, os.fstat(slots.fd).st_size)
    words = memoryview(other).cast("Q")
    assert words[slot * wire.WORDS + wire.DRAIN_BY] == 2**63
    words.release()
    other.close()
