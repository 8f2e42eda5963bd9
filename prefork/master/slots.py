"""The shared memory: a memfd of slots, one a worker, read as lists of words. Grows by ftruncate, never shrinks."""

from __future__ import annotations

import heapq
import mmap
import os

from prefork import wire


class Slots:
    """Allocates slots and reads and writes their words; `fd` is handed to molds."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("prefork-slots", os.MFD_CLOEXEC)
        self._free: list[int] = []
        self._size = 0
        self._map: mmap.mmap | None = None
        self._words = memoryview(b"")

    def take(self, worker: int) -> int:
        """The index of a zeroed slot tagged with `worker`: the lowest that is free."""
        if not self._free:
            self._grow()
        slot = heapq.heappop(self._free)
        base = slot * wire.WORDS
        for word in range(wire.WORDS):
            self._words[base + word] = 0
        self._words[base + wire.TAG] = worker
        return slot

    def give_back(self, slot: int) -> None:
        """The worker was reaped: nobody writes to the slot any more."""
        heapq.heappush(self._free, slot)

    def read(self, slot: int) -> list[int]:
        """All words of the slot, each read whole."""
        return self._words[slot * wire.WORDS : (slot + 1) * wire.WORDS].tolist()

    def write(self, slot: int, word: int, value: int) -> None:
        """Store one word."""
        self._words[slot * wire.WORDS + word] = value

    def _grow(self) -> None:
        before = self._size
        self._size = max(mmap.PAGESIZE // wire.SLOT_BYTES, 2 * before)
        os.ftruncate(self.fd, self._size * wire.SLOT_BYTES)
        self._release()
        self._map = mmap.mmap(self.fd, self._size * wire.SLOT_BYTES)
        self._words = memoryview(self._map).cast("Q")
        for slot in range(before, self._size):
            heapq.heappush(self._free, slot)

    def _release(self) -> None:
        self._words.release()
        if self._map is not None:
            self._map.close()

    def close(self) -> None:
        """Unmap and close."""
        self._release()
        os.close(self.fd)
