"""Files, environment and flags become one config that knows where each number comes from.

`[tool.prefork]` in ./pyproject.toml < ./prefork.toml or `-c FILE` < `PREFORK_POOL_MAX_WORKERS` < `--pool.max-workers`.
A layer that names another `kind` in a table drops the lower layers' keys of that table. Relative paths are relative to
the file that says them, those of environment and flags to the current directory. Each error is one line: source, field,
value, cure. Nothing here imports cyclopts or rich: a reload reads all of it again, in a process of its own.
"""

from prefork.layers.load import Loaded, load, load_policy, policy_of, require_app
from prefork.layers.sources import Sources

__all__ = ["Loaded", "Sources", "load", "load_policy", "policy_of", "require_app"]
