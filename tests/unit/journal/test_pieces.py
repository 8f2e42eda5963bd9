"""A journal on disk: bounded, readable while it is written and when it was cut off; a disk that is full costs lines."""

from __future__ import annotations

import gzip
import resource
import zlib
from typing import TYPE_CHECKING

import pytest

from prefork.journal.codec import Encoder, JournalError
from prefork.journal.entries import Gap, Key, Note
from prefork.journal.pieces import Pieces, pieces_in, read
from prefork.journal.replaying import replay
from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import PoolView
from prefork.policy.units import NS

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = PoolConfig().model_dump(mode="json")


def key(at: int) -> bytes:
    return Encoder().key(Key(at, at, CONFIG, {}, Memory())).encode()


def note(at: int) -> bytes:
    """Some bytes that don't compress well."""
    noise = bytes(zlib.crc32(b"%d %d" % (at, index)) % 94 + 33 for index in range(200)).decode()
    return Encoder().note(Note(at, "told", None, noise)).encode()


def notes(folder: Path) -> list[int]:
    return [entry.at for entry in read(folder) if isinstance(entry, Note)]


def test_what_is_flushed_is_read_while_the_piece_is_open(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 20)
    pieces.write(key(0))
    pieces.write(note(1))
    pieces.flush()
    pieces.write(note(2))
    assert [type(each) for each in read(tmp_path)] == [Key, Note, Gap]
    assert not [*read(tmp_path)][2].damage  # type: ignore[union-attr]
    assert notes(tmp_path) == [1]
    pieces.close()
    assert gaps(tmp_path) == []
    assert notes(tmp_path) == [1, 2]


def test_a_piece_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 20)
    pieces.write(key(0))
    for at in range(1, 100):
        pieces.write(note(at))
        pieces.flush()
    pieces.close()
    (piece,) = pieces_in(tmp_path)
    piece.write_bytes(piece.read_bytes()[:-500])
    found = notes(tmp_path)
    assert found == [*range(1, found[-1] + 1)]
    assert 50 < found[-1] < 99


def test_a_journal_never_takes_more_than_its_size_and_keeps_the_newest(tmp_path: Path) -> None:
    most = 1 << 16
    pieces = Pieces(tmp_path, most)
    for at in range(2000):
        pieces.write(key(at) if at % 20 == 0 else note(at))
        pieces.flush()
        assert sum(piece.stat().st_size for piece in pieces_in(tmp_path)) <= most
    pieces.close()
    found = notes(tmp_path)
    assert found == [at for at in range(found[0], 2000) if at % 20]
    assert 100 < len(found) < 1000
    assert pieces.lost == 0


def test_a_piece_without_a_key_is_bounded_and_the_next_key_goes_on(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 16)
    pieces.write(key(0))
    for at in range(1, 1000):
        pieces.write(note(at))
        pieces.flush()
    assert sum(piece.stat().st_size for piece in pieces_in(tmp_path)) < 1 << 15
    assert 0 < pieces.lost < 1000
    pieces.write(key(1000))
    pieces.write(note(1001))
    pieces.close()
    assert notes(tmp_path)[-1] == 1001


def looks(count: int) -> list[bytes]:
    """A key, and so many looks after it, a second apart."""
    encoder, memory = Encoder(), Memory()
    lines = [encoder.key(Key(NS, 0, CONFIG, {}, memory))]
    for at in range(count):
        plan = decide(PoolConfig(), view := PoolView(at * NS, 1, 1), memory)
        memory = plan.memory
        lines.append(encoder.look(view, plan))
    return [line.encode() for line in lines]


def written(folder: Path, *pieces: list[bytes]) -> list[Path]:
    """A piece of each."""
    for lines in pieces:
        each = Pieces(folder, 1 << 20)
        for line in lines:
            each.write(line)
        each.close()
    return pieces_in(folder)


def gaps(folder: Path) -> list[Gap]:
    return [entry for entry in read(folder) if isinstance(entry, Gap)]


def test_an_entry_that_is_missing_is_told_with_what_can_not_be_told_after_it(tmp_path: Path) -> None:
    whole = looks(20)
    written(tmp_path, [*whole[:6], *whole[7:]], whole)
    assert gaps(tmp_path) == [Gap("an entry is missing", 5 * NS, 14)]
    again = replay(read(tmp_path))
    assert (again.looks, again.gaps) == (25, gaps(tmp_path))
    assert not again.different
    assert not again.same_decisions()


def test_a_line_that_is_none_is_told_and_the_next_key_goes_on(tmp_path: Path) -> None:
    whole = looks(20)
    written(tmp_path, [*whole[:6], b"nonsense", *whole[7:]], whole)
    assert gaps(tmp_path) == [Gap("no entry of a journal: 'nonsense'", 5 * NS, 14)]


@pytest.mark.parametrize("cut", ["short", "overwritten"])
def test_a_piece_that_is_damaged_is_told_and_the_next_one_goes_on(tmp_path: Path, cut: str) -> None:
    first, _ = written(tmp_path, [*looks(20), note(1), note(2), note(3)], looks(3))
    raw = first.read_bytes()
    first.write_bytes(raw[:-150] if cut == "short" else raw[:-150] + b"\xff" * 150)
    (gap,) = gaps(tmp_path)
    assert gap.damage
    assert gap.what.startswith("00000001.jsonl.gz")
    assert sum(isinstance(entry, Key) for entry in read(tmp_path)) == 2


def test_a_piece_that_is_gone_is_told(tmp_path: Path) -> None:
    written(tmp_path, looks(2), looks(2), looks(2))[1].unlink()
    assert gaps(tmp_path) == [Gap("there is no piece before 00000003.jsonl.gz", 2 * NS, 0)]


def test_what_could_not_be_written_is_counted_though_the_journal_begins_after_it(tmp_path: Path) -> None:
    encoder = Encoder()
    lines = [encoder.key(Key(at, at, CONFIG, {}, Memory(), 16)).encode() for at in (1, 2)]
    written(tmp_path, lines[1:])
    assert [entry.dropped for entry in read(tmp_path) if isinstance(entry, Key)] == [32]


def test_a_disk_without_room_leaves_no_empty_piece(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        pieces.write(key(0))
        pieces.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert pieces.lost == 1
    assert pieces_in(tmp_path) == []


def test_a_later_run_goes_on_where_the_earlier_one_ended(tmp_path: Path) -> None:
    for at in (0, 10):
        pieces = Pieces(tmp_path, 1 << 20)
        pieces.write(key(at))
        pieces.write(note(at + 1))
        pieces.close()
    assert [piece.name for piece in pieces_in(tmp_path)] == ["00000001.jsonl.gz", "00000002.jsonl.gz"]
    assert notes(tmp_path) == [1, 11]


def test_a_full_disk_costs_lines_up_to_the_next_key(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        pieces.write(key(0))
        for at in range(1, 100):
            pieces.write(note(at))
            pieces.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 50 < pieces.lost < 100
    pieces.write(note(100))
    pieces.write(key(101))
    pieces.write(note(102))
    pieces.close()
    found = notes(tmp_path)
    assert found[-1] == 102
    assert 100 not in found
    assert 0 < len(found) <= 101 - pieces.lost + 1


def test_a_piece_that_was_removed_costs_lines_up_to_the_next_key(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 20)
    pieces.write(key(0))
    pieces.flush()
    pieces_in(tmp_path)[0].unlink()
    pieces.write(note(1))
    pieces.flush()
    pieces.write(note(2))
    assert pieces.lost == 2
    pieces.write(key(3))
    pieces.write(note(4))
    pieces.close()
    assert notes(tmp_path) == [4]
    assert pieces.lost == 2


def test_a_key_that_is_missing_itself_takes_no_count_with_it(tmp_path: Path) -> None:
    encoder, pieces = Encoder(), Pieces(tmp_path, 1 << 20)
    keys = [encoder.key(Key(at, at, CONFIG, {}, Memory(), dropped)) for at, dropped in enumerate([0, 3, 4, 0])]
    for line in [keys[0], keys[2], keys[3]]:
        pieces.write(line.encode())
    pieces.close()
    assert [entry.dropped for entry in read(tmp_path) if isinstance(entry, Key)] == [0, 7, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"hello", "it is no piece of a journal, or it is damaged", id="no gzip"),
        pytest.param(zlib.compress(b"hello\n", wbits=31), "no entry of a journal: 'hello'", id="no JSON"),
        pytest.param(zlib.compress(b'["x"]\n', wbits=31), "no entry of a journal: 'x'", id="another kind"),
        pytest.param(
            zlib.compress(key(0).replace(b'"version":1', b'"version":9') + b"\n", wbits=31),
            "it is written in form 9, and this prefork reads form 1",
            id="another form",
        ),
    ],
)
def test_what_is_no_journal_is_told_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "00000001.jsonl.gz").write_bytes(content)
    with pytest.raises(JournalError) as caught:
        [*read(tmp_path)]
    assert str(caught.value) == f"{tmp_path}/00000001.jsonl.gz: {message}"


def test_a_journal_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal in this folder"):
        [*read(tmp_path)]
    with pytest.raises(JournalError, match="there is no such file or folder"):
        [*read(tmp_path / "nowhere")]


def test_pieces_that_were_put_together_are_read_to_the_end(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 1 << 16)
    for at in range(200):
        pieces.write(key(at) if at % 10 == 0 else note(at))
        pieces.flush()
    pieces.close()
    assert len(pieces_in(tmp_path)) > 2
    whole = tmp_path / "whole.gz"
    whole.write_bytes(b"".join(piece.read_bytes() for piece in pieces_in(tmp_path)))
    assert [*read(whole)] == [*read(tmp_path)]


def test_what_is_no_text_is_no_journal(tmp_path: Path) -> None:
    file = tmp_path / "foreign.gz"
    file.write_bytes(gzip.compress(b"\xff\xfe\n"))
    with pytest.raises(JournalError, match=r"foreign\.gz: no entry of a journal"):
        [*read(file)]
