"""What a task that is driven by wake-ups does at its edges."""

from __future__ import annotations

import asyncio

from prefork.app.task_driver import TaskDriver, alive


class Owner:
    name = "owner"
    place = "nowhere"

    def __init__(self) -> None:
        self.raised: list[BaseException] = []

    def excuses(self, _error: BaseException, /) -> bool:
        return False

    def ended(self) -> None: ...

    def ended_late(self, error: BaseException, /) -> None:
        self.raised.append(error)


def test_a_coroutine_whose_session_ends_before_its_first_step_is_never_run_and_leaves_nothing() -> None:
    async def never() -> None:
        raise AssertionError

    async def main() -> None:
        driver, owner = TaskDriver(asyncio.get_running_loop()), Owner()
        driver.start(never(), owner)
        driver.end(interrupted=False)
        await asyncio.sleep(0)
        assert driver.done
        assert owner.raised == []
        assert alive == {}

    asyncio.run(main())
