"""A journal on disk: a folder of pieces, each a gzip file of lines that begins with a key.

Theory. A piece is flushed to the kernel once a second, so that it can be read while it is written, by us and by zcat;
one that was cut off is read as far as it goes. Any piece can be read alone. When a piece is full the next key begins
another, and the oldest go first, so that all of them together never take more than `max_size`.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prefork.journal.codec import Decoder, JournalError
from prefork.journal.entries import Gap, Key, Look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefork.journal.entries import Entry

SHARES: Final = 8
"""A piece is full at this part of max_size; one that gets no key may grow to twice that."""
_NAME: Final = re.compile(r"(\d{8})\.jsonl\.gz")
_KEY: Final = b'["key"'
_CHUNK: Final = 1 << 18
_UNFINISHED: Final = "its last piece has no end: the pool still writes it, or it was cut off"
_LEVEL: Final = 4
"""Of compression: half the CPU of the usual 6, for a twentieth more of disk."""


class Pieces:
    """Writes; what can't be written is counted in `lost`, and left out up to the next key."""

    def __init__(self, folder: Path, max_size: int) -> None:
        self.lost = 0
        """Lines that are not there."""
        self._folder = folder
        self._max_size = max_size
        self._full = max(1, max_size // SHARES)
        self._fd: int | None = None
        self._piece = folder
        """That is open."""
        self._size = 0
        self._lines = 0
        """Since what was flushed last."""
        self._deflate = zlib.compressobj(_LEVEL, wbits=31)

    @property
    def pending(self) -> bool:
        """Lines wait to be flushed."""
        return self._lines > 0

    def write(self, line: bytes) -> None:
        """Put one line, without its end."""
        if line.startswith(_KEY) and (self._fd is None or self._size >= self._full):
            self._next()
        if self._fd is None or self._size >= 2 * self._full:
            self.close()
            self.lost += 1
            return
        self._lines += 1
        self._out(self._deflate.compress(line + b"\n"))

    def flush(self) -> None:
        """Hand everything to the kernel; a piece that was removed meanwhile is given up."""
        if self._lines:
            self._out(self._deflate.flush(zlib.Z_SYNC_FLUSH))
            if self._fd is not None and not os.fstat(self._fd).st_nlink:
                self._give_up()
            self._lines = 0

    def close(self) -> None:
        """End the piece."""
        if self._fd is None:
            return
        self._out(self._deflate.flush())
        self._lines = 0
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _next(self) -> None:
        """Begin a piece, when there is room for it."""
        self.close()
        try:
            old = pieces_in(self._folder)
            self._make_room(old)
            number = 1 + (_number_of(old[-1]) or 0 if old else 0)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._piece = self._folder / f"{number:08}.jsonl.gz"
            self._fd = os.open(self._piece, flags, 0o640)
        except OSError:
            return
        self._size, self._deflate = 0, zlib.compressobj(_LEVEL, wbits=31)

    def _make_room(self, old: list[Path]) -> None:
        sizes = {each: each.stat().st_size for each in old}
        for each in old:
            if sum(sizes.values()) + 2 * self._full <= self._max_size:
                break
            each.unlink()
            del sizes[each]

    def _out(self, data: bytes) -> None:
        """Write all of it, or give the piece up."""
        try:
            while data and self._fd is not None:
                done = os.write(self._fd, data)
                self._size += done
                data = data[done:]
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """What was written of the piece stays; an empty one would be no gzip file."""
        self.lost += self._lines
        self._lines = 0
        if self._fd is not None:
            with contextlib.suppress(OSError):
                if not self._size:
                    self._piece.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = None


def pieces_in(folder: Path) -> list[Path]:
    """The pieces of a journal, oldest first."""
    return sorted(each for each in folder.iterdir() if _NAME.fullmatch(each.name))


def parts(journal: str | Path) -> list[Path]:
    """The pieces of a journal, oldest first; of one piece itself.

    Raises JournalError, in one line, for what is no journal.
    """
    path = Path(journal)
    try:
        files = pieces_in(path) if path.is_dir() else [path]
    except OSError as error:
        raise JournalError(f"{path}: it can't be read: {error.strerror}") from None
    if not files:
        raise JournalError(f"{path}: there is no journal in this folder: name the one that [journal] path names")
    return files


def read(journal: str | Path) -> Iterator[Entry]:
    """The entries of a journal: of its folder, or of one piece; it may be written meanwhile.

    Raises JournalError, in one line, for what is no journal.
    """
    return entries_of(parts(journal))


def entries_of(files: Sequence[Path]) -> Iterator[Entry]:
    """The entries of these pieces, which follow one another. Raises JournalError for what is no journal."""
    reading = _Reading()
    for file in files:
        yield from reading.piece(file, last=file == files[-1])
    yield from reading.end()


class _Reading:
    """Goes on with the next key after what can't be read."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._any = False
        self._unfinished = False
        """The last piece has no end."""
        self._number: int | None = None
        """Of the piece before."""
        self._offset = 0
        self._looked_at: int | None = None
        """Unix ns."""

    def piece(self, file: Path, *, last: bool) -> Iterator[Entry]:
        """All of it, as far as it goes."""
        self._unfinished = False
        before, self._number = self._number, _number_of(file)
        if before is not None and self._number is not None and self._number > before + 1:
            self._decoder.lose(f"there is no piece before {file.name}")
        try:
            for line in self._lines(file):
                yield from self._told(line)
        except JournalError as error:
            if not self._any:
                raise JournalError(f"{file}: {error}") from None
            self._decoder.lose(f"{file.name}: {error}")
        if self._unfinished and not last:
            self._decoder.lose(f"{file.name} is cut off")

    def end(self) -> Iterator[Gap]:
        """What there is no key after."""
        lost = self._decoder.lost
        if lost is not None:
            yield Gap(lost, self._looked_at, self._decoder.untold)
        elif self._unfinished:
            yield Gap(_UNFINISHED, self._looked_at, 0, damage=False)

    def _told(self, line: str) -> Iterator[Entry]:
        lost, untold = self._decoder.lost, self._decoder.untold
        try:
            entry = self._decoder.entry(line)
        except JournalError as error:
            if not self._any:
                raise
            self._decoder.lose(str(error))
            return
        if entry is None:
            return
        self._any = True
        if isinstance(entry, Key):
            if lost is not None and (untold or not entry.dropped):  # else who wrote it has counted it
                yield Gap(lost, self._looked_at, untold)
            self._offset = entry.unix_ns - entry.now
        elif isinstance(entry, Look):
            self._looked_at = entry.view.now + self._offset
        yield entry

    def _lines(self, file: Path) -> Iterator[str]:
        """Whole lines, as far as the piece goes."""
        rest = b""
        for chunk in self._inflated(file):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")

    def _inflated(self, file: Path) -> Iterator[bytes]:
        inflate = zlib.decompressobj(wbits=31)
        try:
            with file.open("rb") as raw:
                while chunk := inflate.unused_data or raw.read(_CHUNK):
                    if inflate.eof:  # pieces that were put together with cat
                        inflate = zlib.decompressobj(wbits=31)
                    yield inflate.decompress(chunk)
                self._unfinished = not inflate.eof
        except FileNotFoundError:
            if not _NAME.fullmatch(file.name):
                raise JournalError("there is no such file or folder") from None
        except OSError as error:
            raise JournalError(f"it can't be read: {error.strerror}") from None
        except zlib.error:
            raise JournalError("it is no piece of a journal, or it is damaged") from None


def began(file: Path) -> int | None:
    """When a piece begins, as Unix ns; None: nothing was flushed yet. Raises JournalError."""
    return next((entry.unix_ns for entry in entries_of([file]) if isinstance(entry, Key)), None)


def ended(file: Path) -> int | None:
    """When the last look of a piece was, as Unix ns; None: there is none. Raises JournalError."""
    at, offset = None, 0
    for entry in entries_of([file]):
        match entry:
            case Key():
                offset = entry.unix_ns - entry.now
            case Look():
                at = entry.view.now + offset
    return at


def _number_of(file: Path) -> int | None:
    """Of a piece; None: it has another name."""
    found = _NAME.fullmatch(file.name)
    return int(found[1]) if found is not None else None
