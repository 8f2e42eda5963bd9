"""A chat: `prefork serve examples/chat.py:Chat --workers 1 --listen tcp://127.0.0.1:6667`, then `nc 127.0.0.1 6667`.

One worker holds the room: a session has no way to hear what another worker would have to pass on from its own.
"""

import threading

import prefork
from prefork import Lines, Session

ROOM: dict[str, "Chat"] = {}
ROOM_LOCK = threading.Lock()
"""On the loop `threads` sessions speak at the same time."""
NAME_LENGTH = 16
BEHIND = 256 * 1024
"""Who was sent so many characters without being up to date in between reads slowly, and misses lines until it is."""


class Chat(Session[str]):
    framer = Lines(limit=1024)
    name = ""
    behind = missed = 0

    def opened(self) -> None:
        self.tell("* who are you?")

    def received(self, line: str, /) -> None:
        with ROOM_LOCK:
            said = "".join(filter(str.isprintable, line)).strip()  # nobody writes to another's terminal but text
            match said.split():
                case ["/quit"]:
                    self.close()
                case [name, *more] if not self.name:
                    self.enter("" if more else name)
                case ["/who"]:
                    self.tell(f"* here: {', '.join(sorted(ROOM))}")
                case [word, *_] if word.startswith("/"):
                    self.tell("* there are /who and /quit")
                case [_, *_]:
                    self.tell_others(f"{self.name}: {said}")

    def closed(self, _exc: BaseException | None, /) -> None:
        with ROOM_LOCK:
            if self.name:
                del ROOM[self.name]
                self.tell_others(f"* {self.name} left")

    def flushed(self) -> None:
        with ROOM_LOCK:
            self.behind = 0
            if self.missed:
                missed, self.missed = self.missed, 0
                self.tell(f"* you missed {missed} lines")

    def enter(self, name: str) -> None:
        if name in ROOM or not (name.isalnum() and len(name) <= NAME_LENGTH):
            self.tell(f"* that is taken, or no word of up to {NAME_LENGTH} letters and digits; who are you?")
            return
        self.name = name
        ROOM[name] = self
        self.tell(f"* welcome, {name}; there are /who and /quit")
        self.tell_others(f"* {name} joined")

    def tell_others(self, line: str) -> None:
        for each in ROOM.values():
            if each is not self:
                each.tell(line)

    def tell(self, line: str) -> None:
        if self.behind < BEHIND:
            self.behind += len(line)
            self.send(line)
        else:
            self.missed += 1


if __name__ == "__main__":
    pool = prefork.PoolConfig(sizing=prefork.StaticSizing(workers=1))
    prefork.serve(Chat, listen="tcp://127.0.0.1:6667", pool=pool)
