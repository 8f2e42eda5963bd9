"""For pytest: the fixture `prefork_pool`, which starts pools that end with the test; asserts of the suite tell values.

Imports are inside: pytest loads this file in every project where prefork is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.testing.live import LivePool

pytest.register_assert_rewrite("prefork.testing.contract")


@pytest.fixture
def prefork_pool() -> Iterator[Callable[..., LivePool]]:
    """Start real pools: takes what `prefork.testing.running` takes."""
    from contextlib import ExitStack  # noqa: PLC0415

    from prefork.testing.live import running  # noqa: PLC0415

    with ExitStack() as stack:

        def start(app: object, **config: Any) -> LivePool:  # noqa: ANN401
            return stack.enter_context(running(app, **config))

        yield start
