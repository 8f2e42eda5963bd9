"""The reference of the config, `docs/CONFIG.md`: made of the model, its texts and the names that `layers` gives it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import TypeAdapter

from prefork.backends.registry import known_backends, load_backend
from prefork.config import RESERVED, Listener, ServerConfig, TlsConfig
from prefork.layers.shape import models_in, shape
from prefork.policy.config import MAX_SECONDS, PERCENT_PATTERN
from prefork.policy.units import DURATION_PATTERN, SIZE_PATTERN, duration_text, nanoseconds, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from prefork.layers.shape import Path

_INTRODUCTION = f"""\
# Configuration

<!-- Made of the model by `make docs`: change the texts in prefork/config.py and prefork/policy/config.py. -->

Every key can be said in a file, by an environment variable or by a flag. The later of these wins, key by key:

1. `[tool.prefork]` in `./pyproject.toml`
2. the tables of `./prefork.toml`, or of the file that `-c FILE` names (it must exist)
3. environment variables
4. flags of `prefork serve`; APP, its first word, is the key `app`

A layer that names another `kind` of a table drops what lower layers say in that table: other kinds have other keys. A
key, a variable beginning with `PREFORK_` or a flag that nobody knows is an error (but for `PREFORK_TEST…` and what
Docker and Kubernetes set beside a service of that name), as are values that contradict each other: one line that says
where and what to do. `prefork check` prints every number with where it comes from; `prefork schema` a JSON Schema for
editors.

- **Relative paths** (of `app`, `control`, `unix:` URLs and certificates) are relative to the file that says them, those
  of variables and flags to the current directory. `module:attribute` is looked for in the folder of the file that says
  it, else in the current directory.
- **A duration** is a number of seconds, or such as `"500ms"`, `"30s"`, `"2m"`, `"1h"`, `"1d"`; at most
  {MAX_SECONDS:,.0f} s. **A size** is a number of bytes, or such as `"64KiB"`, `"256MiB"`, `"1GB"`.
- **Off** is 0 where the text says so. A timeout can't be off.
- **A list** in a variable is split at blanks and commas; its flag may be repeated.
- **A reload** (`prefork reload`, HUP) reads the same layers again, variables and flags as they were at the start.
  `listen` (but for what is in `[listen.tls]`), `control`, `name`, `[journal]` and the
  name of the `shadow` file change at the next start only.
- `--workers N` says two things: so many workers, and `kind = "static"`.
- **From Python**, `prefork.serve(app, …)` and `prefork.testing.running(app, …)` take the keys of the first table by
  name, and `pool=PoolConfig(…)`; they read neither files nor variables.
"""
_LISTEN = """\
`listen` takes a URL or a list of URLs, short for tables with nothing but a URL. These say the same:

    listen = "tcp://127.0.0.1:10000"
    listen = ["tcp://127.0.0.1:10000"]

    [[listen]]
    url = "tcp://127.0.0.1:10000"

`tcp://HOST:PORT` with a name or number for HOST and 0 for any free PORT, which is printed; `tcp://[::1]:10000` for
IPv6; `unix:PATH` for a Unix socket.
"""
_TLS = """\
Below a `[[listen]]` table, and in a file alone: the sessions of that listener, TCP or Unix, exist over TLS, from the
end of the handshake on.

    [[listen]]
    url = "tcp://0.0.0.0:8443"
    [listen.tls]
    cert = "server.pem"
    key = "server.key"

A file that is not there or not what it should be is one line before anything is bound (`prefork check` says it too). A
reload reads all of them anew; where one is bad it is refused, and the old generation serves on. TLS on a listener that
had none, or none where it was, is for the next start.
"""
_BACKENDS = """\
The options of one loop, in a file alone. Their names and types are that loop's own; the process that imports the app
checks them. `prefork backends` lists the loops that are installed. Those of prefork:
"""
_PATTERNS = {DURATION_PATTERN: "duration", SIZE_PATTERN: "size", PERCENT_PATTERN: 'percentage such as `"25%"`'}
_LEFT_OUT = re.compile(r" Left out: (.+?)\.(?= |$)")
_PLAIN = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "object": "table"}
_COLUMNS = ("key", "type", "default", "meaning", "variable, flags")


class _Table(NamedTuple):
    """One table of the file; `kind` is empty where it has no kinds."""

    path: Path
    model: type[BaseModel]
    text: str
    kind: str = ""


def reference() -> str:
    """The whole of it, as Markdown."""
    sections = [_INTRODUCTION]
    for table in _tables(ServerConfig, ()):
        sections.append(_section(table))
        if not table.path:
            sections.append(f"## `[[listen]]`\n\n{_LISTEN}\n{_rows(_Table(('listen',), Listener, ''))}")
            sections.append(f"## `[listen.tls]`\n\n{_TLS}\n{_rows(_Table(('listen', 'tls'), TlsConfig, ''))}")
    sections += [f"## `[backends.NAME]`\n\n{_BACKENDS}\n" + "\n".join(_loops()) + "\n"]
    sections += [f"## `[pools.NAME]`\n\n{RESERVED.capitalize()}.\n"]
    return "\n".join(sections)


def _loops() -> Iterator[str]:
    """A line for each option of our own loops, or for a loop without."""
    for known in known_backends():
        if known.distribution == "prefork":
            kind: Any = load_backend(known.name).options
            options = TypeAdapter(kind).json_schema()["properties"] if kind else {}
            yield from [] if options else [f"- `{known.name}`: no options"]
            for name, schema in options.items():
                default = json.dumps(schema.get("default", {}))  # a table's is made anew for each
                yield f"- `[backends.{known.name}]` `{name}`: {_type(schema)}; default `{default}`"


def _tables(model: type[BaseModel], path: Path) -> Iterator[_Table]:
    """The tables of the model, in its order, each kind by itself."""
    if not path:
        yield _Table(path, model, "")
    for name, field in model.model_fields.items():
        here = (*path, name)
        for member in models_in(field.annotation):
            kind = str(member.model_fields["kind"].default) if here in shape().choices else ""
            yield _Table(here, member, (member.__doc__ or "").strip(), kind)
            yield from _tables(member, here)


def _section(table: _Table) -> str:
    title = f"`[{'.'.join(table.path)}]`" if table.path else "At the top of the file"
    if table.kind:
        default = ", the default" if shape().choices[table.path].default == table.kind else ""
        title += f' with `kind = "{table.kind}"`{default}'
    return f"## {title}\n\n" + (f"{table.text}\n\n" if table.text else "") + _rows(table)


def _rows(table: _Table) -> str:
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    for name, field in table.model.model_fields.items():
        if not models_in(field.annotation) and (name,) not in shape().free:
            lines.append("| " + " | ".join(_row((*table.path, name), field)) + " |")
    return "\n".join(lines) + "\n"


def _row(path: Path, field: FieldInfo) -> tuple[str, ...]:
    hint: Any = Annotated[field.annotation, field]
    schema = TypeAdapter(hint).json_schema()
    text = field.description or ""
    left_out = _LEFT_OUT.search(text)
    default = left_out[1] if left_out else _default(path, field, schema)
    return f"`{path[-1]}`", _type(schema), default, _LEFT_OUT.sub("", text), "<br>".join(_names(path))


def _names(path: Path) -> list[str]:
    """The variable and the flags; neither for what only a table in a file can say, and no flag for APP."""
    leaf = shape().leaves.get(path)
    if leaf is None:
        return []
    flags = ("APP",) if path == ("app",) else shape().flags(leaf)
    return [f"`{name}`" for name in (leaf.variable, *flags)]


def _default(path: Path, field: FieldInfo, schema: dict[str, Any]) -> str:
    """The default as a file would say it."""
    if field.is_required():
        return "it must be given"
    choice = shape().choices.get(path[:-1])
    value: Any = choice.default if choice and path[-1] == "kind" else field.default
    if isinstance(value, tuple):
        value = [each.url for each in value]
    elif value and _has(schema, DURATION_PATTERN):
        value = duration_text(nanoseconds(value))
    elif value and _has(schema, SIZE_PATTERN):
        value = size_text(value)
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else value
    return f"`{json.dumps(value)}`"


def _has(schema: dict[str, Any], pattern: str) -> bool:
    return any(option.get("pattern") == pattern for option in schema.get("anyOf", ()))


def _type(schema: dict[str, Any]) -> str:
    """What may be written, from the JSON Schema: that a duration or size may be a number is told once for all."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    for option in options:
        if option.get("pattern") in (DURATION_PATTERN, SIZE_PATTERN):
            least = duration_text(nanoseconds(options[0]["minimum"])) if options[0]["minimum"] else ""
            return _PATTERNS[option["pattern"]] + (f", {least} or more" if least else "")
    return " or ".join(_one(option) for option in options)


def _one(option: dict[str, Any]) -> str:
    match option:
        case {"const": value}:
            text = f"`{json.dumps(value)}`"
        case {"enum": values}:
            text = " or ".join(f"`{json.dumps(value)}`" for value in values)
        case {"pattern": pattern} if pattern in _PATTERNS:
            text = _PATTERNS[pattern]
        case {"minimum": least, "maximum": most}:
            kind = "whole number" if option["type"] == "integer" else "number"
            text = f"{kind}, {least:,} to {most:,}"
        case {"type": "integer" | "number" | "boolean" | "object" as plain}:
            text = _PLAIN[plain]
        case {"type": "array"}:
            text = "list"
        case {"$ref": _}:
            text = "table"
        case _:
            text = "path" if option.get("format") == "path" else "text"
    return text
