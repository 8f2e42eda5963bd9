"""An app whose forks take a while: a library of its registered a hook that does."""

from __future__ import annotations

import os
import time

from tests.apps.lines import Echo

__all__ = ["Echo"]

os.register_at_fork(before=lambda: time.sleep(0.15))
