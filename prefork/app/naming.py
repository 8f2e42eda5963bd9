"""From a name to an object of the user's, and back.

A name is `module:attribute` or `file.py:attribute`; the attribute may be dotted. A file is imported under its stem, as
a module like any other, with its folder first on sys.path; so a script's `if __name__ == "__main__"` block doesn't run.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from prefork.app.frames import calling_file, joined, own_frames
from prefork.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MADE = re.compile(r"([^()]+)\((.+)\)")
_imported: list[str] = []
"""The names whose objects are being imported; only the user's code is run meanwhile."""


def import_app_object(name: str) -> object:
    """The object named `name`, or what `FACTORY(NAME)` makes of it; both are names.

    Raises AppError in one line; `frames` when the user's own code raised.
    """
    _imported.append(name)
    try:
        return _import(name)
    finally:
        _imported.pop()


def refuse_while_imported() -> None:
    """Raise AppError where this process is importing an app: its master would import it in a process that does, too."""
    if _imported:
        file = os.path.basename(calling_file())
        raise AppError(f"{file} serves while it is imported: put the call under `if __name__ == '__main__':`")


def _import(name: str) -> object:
    if made := _MADE.fullmatch(name):
        return _make(name, _import(made[1]), _import(made[2]))
    place, colon, attribute = name.rpartition(":")
    if not colon or not place or not attribute:
        raise AppError(f"app {name!r}: expected 'module:attribute' or 'file.py:attribute'{_meant(name)}")
    module = _import_file(name, Path(place)) if place.endswith(".py") else _import_module(name, place)
    found: object = module
    for part in attribute.split("."):
        found = _attribute(name, found, part)
    return found


def _make(name: str, factory: object, of: object) -> object:
    if not callable(factory):
        raise AppError(f"app {name!r}: {factory!r:.60} can't be called")
    try:
        made: object = factory(of)
    except BaseException as error:  # the user's code
        raise _raised(name, error) from error
    return made


def _meant(name: str) -> str:
    """A suggestion for a name without colon: its last part may be the attribute."""
    text = name.strip(":")
    if text.endswith(".py"):
        return f"; did you mean '{text}:App'?" if text else ""
    before, dot, last = text.rpartition(".")
    return f"; did you mean '{before}:{last}'?" if dot and before else ""


def _attribute(name: str, owner: object, part: str) -> object:
    try:
        value: object = getattr(owner, part)
    except AttributeError:
        cure = did_you_mean(part, [each for each in dir(owner) if not each.startswith("__")])
        if _is_made_by_main(owner, part):
            cure = ", where it is imported: move it above `if __name__ == '__main__':`"
        what = "the module" if isinstance(owner, ModuleType) else f"{getattr(owner, '__qualname__', owner)!s:.60}"
        raise AppError(f"app {name!r}: {what} has no attribute {part!r}{cure}") from None
    except BaseException as error:  # a module's __getattr__ is the user's code too
        raise _raised(name, error) from error
    return value


def _is_made_by_main(owner: object, part: str) -> bool:
    """Whether a module's file has it under a condition that only the program itself meets."""
    file = getattr(owner, "__file__", None)
    if not isinstance(owner, ModuleType) or not isinstance(file, str) or not file.endswith(".py"):
        return False
    _, guard, below = Path(file).read_text(encoding="utf-8", errors="replace").partition("\nif __name__ ==")
    return bool(guard) and re.search(rf"^[ \t].*\b{part}\b *[=(:]", below, re.MULTILINE) is not None


def _import_module(name: str, module: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}.") and not own_frames(error):
            raise AppError(f"app {name!r}: no module {error.name!r} on sys.path{_beside(module)}") from None
        raise _raised(name, error) from error
    except BaseException as error:
        raise _raised(name, error) from error


def _beside(module: str) -> str:
    file = Path(*module.split(".")).with_suffix(".py")
    return f"; for a file, write '{file}:…'" if file.is_file() else ""


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    """The cure at the end of a line about a name that isn't known; nothing where none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - for a mistake alone

    close = get_close_matches(wrong, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _import_file(name: str, path: Path) -> ModuleType:
    path = path.absolute()
    if not path.is_file():
        cure = did_you_mean(path.name, sorted(each.name for each in path.parent.glob("*.py")))
        raise AppError(f"app {name!r}: no such file: {path}{cure}")
    folder = str(path.parent)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    known = sys.modules.get(path.stem)
    if known is not None:
        if _same_file(known, path):
            return known
        raise AppError(f"app {name!r}: a module named {path.stem!r} is already in use by Python: rename the file")
    return _execute(name, path)


def _same_file(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).exists() and path.samefile(file)


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AppError(f"app {name!r}: {path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(path.stem, None)
        raise _raised(name, error) from error
    return module


def _raised(name: str, error: BaseException) -> AppError:
    """The user's code raised while it was imported."""
    match error:
        case AppError():
            return AppError(f"app {name!r}: {error}", error.frames)
        case SyntaxError():
            what = f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
        case SystemExit():
            what = f"importing it called sys.exit({error.code!r})"
        case KeyboardInterrupt():
            what = "importing it was interrupted"
        case _:
            what = joined("".join(traceback.format_exception_only(error)))
    return AppError(f"app {name!r}: {what}", own_frames(error))


def name_of(obj: object) -> str:
    """The name under which another process can import `obj`; what runs as a script is named by its file.

    A class or function has a name of its own; anything else goes by a global of a module that is this very object.
    Raises AppError, in one line, for what has no such name.
    """
    module, qualname = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str) or _found(module, qualname) is not obj:
        module, qualname = _global(obj)
    return f"{_main_place(qualname) if module == '__main__' else module}:{qualname}"


def _found(module: str, qualname: str) -> object:
    """What another process would find there."""
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _global(obj: object) -> tuple[str, str]:
    """A module, the program's own first, and the name that `obj` has there. Raises AppError where there is none."""
    for module in ("__main__", *sys.modules):
        for name, value in [*getattr(sys.modules[module], "__dict__", {}).items()]:
            if value is obj:
                return module, name
    qualname = getattr(obj, "__qualname__", None)
    if not isinstance(qualname, str):
        raise _unnamed(f"{type(obj).__qualname__} object", "what is no global of any module")
    if "<lambda>" in qualname:
        raise _unnamed(qualname, "a lambda")
    if "<locals>" in qualname:
        raise _unnamed(qualname, "what is made inside a function")
    raise _unnamed(qualname, f"what isn't found as {getattr(obj, '__module__', None)}:{qualname}")


def _unnamed(what: str, kind: str) -> AppError:
    return AppError(f"app {what}: {kind} can't be imported by another process: define it at the top of a module")


def _main_place(qualname: str) -> str:
    """How another process imports what this one runs as `__main__`; the same choice as multiprocessing's spawn."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        raise _unnamed(qualname, "what is typed at a prompt, or read from a file that isn't named .py,")
    return os.path.abspath(file)
