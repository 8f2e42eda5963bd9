"""The stacks of a worker that was told to dump and then to abort."""

from __future__ import annotations

from prefork.master.processes import once

STACK = 'Current thread 0x1 (most recent call first):\n  File "app.py", line 6 in received\n'
FATAL = "Fatal Python error: Aborted\n\n"


def test_the_same_stack_is_shown_once() -> None:
    told = once(f"{STACK}{FATAL}{STACK}\nExtension modules: x\n")
    assert told == f"{STACK}\nFatal Python error: Aborted, at the same lines\nExtension modules: x\n"


def test_another_stack_is_shown_too() -> None:
    for dump in (STACK + FATAL + STACK.replace("6", "7"), STACK, FATAL + STACK, ""):
        assert once(dump) == dump
