"""Each mistake in a config is one line: source, field, value, cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.config.conftest import Project

APP = 'app = "echo.py:Echo"\n'
NO_APP = 'app: not given: say `prefork serve file.py:NAME`, or app = "file.py:NAME" in prefork.toml'
LOCAL = "tcp://127.0.0.1:10000 for this machine alone, or tcp://0.0.0.0:10000 for every network"


def _flag(dotted: str, value: object, flag: str) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    *above, last = dotted.split(".")
    table = flags
    for key in above:
        table = table.setdefault(key, {})
    table[last] = value
    return {"flags": flags, "spelled": {dotted: flag}}


IN_A_FILE = {
    "a word for a number": ('[pool]\nmax_workers = "many"', "pool.max_workers: 'many' is not a whole number"),
    "a fraction": ("[pool]\nmax_workers = 2.5", "pool.max_workers: 2.5 is not a whole number"),
    "a date for a number": (
        "[pool]\nmax_workers = 1970-01-01",
        "pool.max_workers: datetime.date(1970, 1, 1) is not a whole number",
    ),
    "a bool for a number": ("[pool]\nmax_workers = true", "pool.max_workers: true is no number"),
    "too much": ("[pool]\nmax_workers = 99999", "pool.max_workers: 99999 is over the most, 10000"),
    "too little": ("[pool]\nmin_workers = -1", "pool.min_workers: -1 is under the least, 0"),
    "a timeout of 0": ("[pool]\ndrain_timeout = 0", "pool.drain_timeout: 0 is under the least, 0.001"),
    "an infinite timeout": ("[pool]\ndrain_timeout = inf", "pool.drain_timeout: inf is over the most, 1e+09"),
    "a duration that is none": (
        '[pool]\ndrain_timeout = "soon"',
        (
            "pool.drain_timeout: 'soon' is no duration: "
            'write seconds as a number, or such as "30s", "500ms", "2m" or "1h"'
        ),
    ),
    "a value for a table": ("pool = 5", "pool: 5 is not a table"),
    "a value for a table of kinds": ("[pool]\nsizing = 5", "pool.sizing: 5 is not a table"),
    "a value for a backend's options": ("[backends]\nselectors = 5", "backends.selectors: 5 is not a table"),
    "a table for a value": ("[name]\nx = 1", "name: {'x': 1} is not text"),
    "a key that is almost right": (
        "[pool]\nmax_worker = 3",
        "pool.max_worker: unknown key; did you mean pool.max_workers?",
    ),
    "a key with a dash": ("[pool]\nmax-workers = 3", "pool.max-workers: unknown key; did you mean pool.max_workers?"),
    "a key of another table": (
        "[pool]\nmin_spare = 3",
        "pool.min_spare: unknown key; did you mean pool.sizing.min_spare?",
    ),
    "a key of the pool at the top": ("max_workers = 3", "max_workers: unknown key; did you mean pool.max_workers?"),
    "a key like no other": (
        "[pool.crash]\nxyz = 3",
        "pool.crash.xyz: unknown key; known: burst, healthy_after, max_delay, refill",
    ),
    "a key of another kind": (
        "[pool.sizing]\nworkers = 3",
        'pool.sizing.workers: it belongs to kind = "static", and the kind is "demand" (the default)',
    ),
    "a kind that is almost right": (
        '[pool.sizing]\nkind = "sttic"',
        "pool.sizing.kind: 'sttic' is not known: demand or spare or static; did you mean static?",
    ),
    "a kind that is no text": (
        "[pool.sizing]\nkind = [1]",
        "pool.sizing.kind: [1] is not known: demand or spare or static",
    ),
    "reserved tables": ("[pools.web]\nmax_workers = 3", "pools: reserved for several pools under one master"),
    "a bare port": ('listen = ":10000"', f"listen: ':10000' is no listen URL: say {LOCAL}"),
    "a bare port in a list": ('listen = [":10000"]', f"listen: ':10000' is no listen URL: say {LOCAL}"),
    "a bare port in a table": ('[[listen]]\nurl = ":10000"', f"listen: ':10000' is no listen URL: say {LOCAL}"),
    "a listener that is a number": ("listen = [5]", "listen: 5 is no listen URL, nor a [[listen]] table"),
    "no listener": ("listen = []", 'listen: an empty list: say where to listen, such as "tcp://127.0.0.1:10000"'),
    "a listener twice": ('listen = ["tcp://h:1", "tcp://h:1"]', "listen: 'tcp://h:1' is there twice"),
    "a listener without a URL": ("[[listen]]\nbacklog = 3", "listen[0].url: not given"),
    "a listener's unknown key": (
        '[[listen]]\nurl = "tcp://h:1"\nbaklog = 3',
        "listen[0].baklog: unknown key; did you mean listen[0].backlog?",
    ),
    "a listener's bad number": (
        '[[listen]]\nurl = "tcp://h:1"\nbacklog = "x"',
        "listen[0].backlog: 'x' is not a whole number",
    ),
    "TLS without a certificate": ('[[listen]]\nurl = "tcp://h:1"\n[listen.tls]', "listen[0].tls.cert: not given"),
    "TLS that is no table": ('[[listen]]\nurl = "tcp://h:1"\ntls = "a"', "listen[0].tls: 'a' is not a table"),
    "an unknown key of TLS": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a"\nclient-ca = "b"',
        "listen[0].tls.client-ca: unknown key; did you mean listen[0].tls.client_ca?",
    ),
    "a certificate that is no path": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = 5',
        "listen[0].tls.cert: 5 is not a path",
    ),
    "a certificate that is empty": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = ""',
        "listen[0].tls.cert: '' is no file",
    ),
    "clients to verify by nobody": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a"\nverify = "optional"',
        'listen[0].tls: verify = "optional" needs client_ca: say who signs the certificates of clients',
    ),
    "a protocol that is none": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a"\nalpn = ["h2", "a b"]',
        "listen[0].tls.alpn[1]: 'a b' is no protocol's name: printable ASCII without blanks, 255 at most",
    ),
    "protocols in one text": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a"\nalpn = "h2"',
        "listen[0].tls.alpn: 'h2' is not a list",
    ),
    "a version that is too old": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a"\nmin_version = "1.1"',
        "listen[0].tls.min_version: '1.1' is refused: Input should be '1.2' or '1.3'",
    ),
    "a handshake without end": (
        '[[listen]]\nurl = "tcp://h:1"\n[listen.tls]\ncert = "a"\nhandshake_timeout = 0',
        "listen[0].tls.handshake_timeout: 0 is under the least, 0.001",
    ),
    "a control that is true": (
        "control = true",
        "control: true is no path: say a path, or false for no control socket",
    ),
    "a control that is empty": ('control = ""', "control: '' is no path: say a path, or false for no control socket"),
    "a control that is a number": ("control = 5", "control: 5 is no path: say a path, or false for no control socket"),
    "a name with a blank": (
        'name = "a b"',
        "name: 'a b' is not a plain name: letters, digits, '_', '.' and '-', 64 at most",
    ),
    "no backend": ('backend = ""', "backend: '' is empty"),
    "least over most": (
        "[pool]\nmin_workers = 99\nmax_workers = 64",
        "pool: min_workers (99) is over max_workers (64): lower one or raise the other",
    ),
    "least over the default of most": (
        "[pool]\nstart_workers = 1",
        "pool: start_workers (1) is under min_workers (2): raise one or lower the other",
    ),
    "a contradiction in a table below": (
        '[pool.recycle]\nmax_rss = "10MiB"\nhard_rss = "5MiB"',
        (
            "pool.recycle: hard_rss (5MiB) is not over max_rss (10MiB): raise hard_rss or lower max_rss, "
            "so that a worker can be replaced before it is killed"
        ),
    ),
    "several mistakes": (
        '[pool]\nmax_workers = 2.5\nmin_workers = "x"\nfoo = 1',
        "pool.min_workers: 'x' is not a whole number (also wrong: pool.foo, pool.max_workers)",
    ),
    "a long value is cut": (
        f'[pool]\nmax_workers = "{"x" * 200}"',
        f"pool.max_workers: '{'x' * 79}… is not a whole number",
    ),
}


@pytest.mark.parametrize(("toml", "message"), IN_A_FILE.values(), ids=IN_A_FILE)
def test_a_mistake_in_a_file_names_file_field_and_value(project: Project, toml: str, message: str) -> None:
    project.write("prefork.toml", APP + toml)
    assert project.error() == f"prefork.toml: {message}"


APPS = {
    "no attribute of a file": ('app = "echo.py"', "app: 'echo.py' names no attribute: say echo.py:NAME"),
    "no attribute of a module": (
        'app = "shop"',
        "app: 'shop' names no attribute: say module:attribute or file.py:attribute",
    ),
    "an attribute that can't be one": (
        'app = "shop:a b"',
        "app: 'shop:a b': 'a b' is no attribute name: say module:attribute or file.py:attribute",
    ),
    "neither module nor file": (
        'app = "../shop:App"',
        "app: '../shop:App': '../shop' is neither a module nor a .py file: say module:attribute or file.py:attribute",
    ),
    "no text": ("app = 5", "app: 5 is not text"),
}


@pytest.mark.parametrize(("toml", "message"), APPS.values(), ids=APPS)
def test_a_bad_app_name_says_what_one_looks_like(project: Project, toml: str, message: str) -> None:
    project.write("prefork.toml", toml)
    assert project.error() == f"prefork.toml: {message}"


ELSEWHERE: dict[str, tuple[dict[str, Any], str]] = {
    "a variable names itself": (
        {"environ": {"PREFORK_POOL_MAX_WORKERS": "many"}},
        "PREFORK_POOL_MAX_WORKERS: 'many' is not a whole number",
    ),
    "a flag is named as it was typed": (
        _flag("pool.max_workers", "many", "--max-workers"),
        "--max-workers: 'many' is not a whole number",
    ),
    "a flag nobody typed is named in full": (
        {"flags": {"pool": {"max_workers": "many"}}},
        "--pool.max-workers: 'many' is not a whole number",
    ),
    "a URL of a variable": (
        {"environ": {"PREFORK_LISTEN": ":10000"}},
        f"PREFORK_LISTEN: ':10000' is no listen URL: say {LOCAL}",
    ),
    "APP": (_flag("app", "echo.py", "APP"), "APP: 'echo.py' names no attribute: say echo.py:NAME"),
    "a variable almost right": (
        {"environ": {"PREFORK_POOL_MAX_WORKER": "3"}},
        "PREFORK_POOL_MAX_WORKER='3': unknown variable; did you mean PREFORK_POOL_MAX_WORKERS?",
    ),
    "a variable of the leaf alone": (
        {"environ": {"PREFORK_MAX_WORKERS": "3"}},
        "PREFORK_MAX_WORKERS='3': unknown variable; did you mean PREFORK_POOL_MAX_WORKERS?",
    ),
    "a variable like no other": (
        {"environ": {"PREFORK_QQ": "3"}},
        "PREFORK_QQ='3': unknown variable; `prefork serve --help` lists the flags, and each has one",
    ),
    "a variable of a backend": (
        {"environ": {"PREFORK_BACKENDS_SELECTORS_X": "3"}},
        "PREFORK_BACKENDS_SELECTORS_X='3': the options of a backend are read from a file: [backends.NAME]",
    ),
    "a variable of a pool by name": (
        {"environ": {"PREFORK_POOLS_WEB_MAX_WORKERS": "3"}},
        "PREFORK_POOLS_WEB_MAX_WORKERS='3': [pools.NAME] is reserved for several pools under one master",
    ),
    "file and flag contradict": (
        _flag("pool.max_workers", "1", "--max-workers"),
        "prefork.toml, --max-workers: pool: min_workers (3) is over max_workers (1): lower one or raise the other",
    ),
    "two flags contradict": (
        {
            "flags": {"pool": {"min_workers": "5", "max_workers": "4"}},
            "spelled": {"pool.min_workers": "--min-workers", "pool.max_workers": "--max-workers"},
        },
        "--min-workers, --max-workers: min_workers (5) is over max_workers (4): lower one or raise the other",
    ),
    "variable and default contradict": (
        {"environ": {"PREFORK_POOL_SIZING_MIN_SPARE": "21"}},
        "PREFORK_POOL_SIZING_MIN_SPARE: sizing.min_spare (21) is over max_workers (20): lower one or raise the other",
    ),
    "a flag of another kind than the file's": (
        _flag("pool.sizing.min_spare", "1", "--min-spare"),
        '--min-spare: it belongs to kind = "spare", and the kind is "static" (prefork.toml)',
    ),
    "a file that isn't there": ({"file": "conf/no.toml"}, "-c conf/no.toml: there is no such file"),
    "a folder for a file": ({"file": "."}, ".: it can't be read: Is a directory"),
}


@pytest.mark.parametrize(("sources", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_mistake_elsewhere_names_its_source(project: Project, sources: dict[str, Any], message: str) -> None:
    kind = 'kind = "static"\n' if "--min-spare" in message else ""
    project.write("prefork.toml", f"{APP}[pool]\nmin_workers = 3\n[pool.sizing]\n{kind}")
    assert project.error(**sources) == message


BROKEN = {
    "cut short in a string": (b'app = "ec', "line 1, column 10: unterminated string: the file ends here"),
    "cut short in a list": (
        b'app = "a:b"\nlisten = ["tcp',
        "line 2, column 15: unterminated string: the file ends here",
    ),
    "cut short behind a list's comma": (b'listen = ["a",\n', "line 2, column 1: invalid value: the file ends here"),
    "cut short behind a key": (b"[pool]\nmax_workers =", "line 2, column 14: invalid value: the file ends here"),
    "a bracket left open": (
        b"[pool\nmax_workers = 3",
        "line 1, column 6: expected ']' at the end of a table declaration",
    ),
    "a table twice": (b"[pool]\n[pool]", "line 2, column 6: cannot declare ('pool',) twice"),
    "not UTF-8": (b'name = "x"\napp = "\xff"', "line 2, column 8: byte 0xff is not UTF-8"),
}
BEYOND_MEASURE = {"digits": "9" * 5000, "a nest": "[" * 10_000}


@pytest.mark.parametrize(("toml", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_with_line_and_column(project: Project, toml: bytes, message: str) -> None:
    project.write("conf/shop.toml", toml)
    assert project.error(file="conf/shop.toml") == f"conf/shop.toml: {message}"


@pytest.mark.parametrize("value", BEYOND_MEASURE.values(), ids=BEYOND_MEASURE)
def test_what_no_parser_reads_is_refused_in_a_line(project: Project, value: str) -> None:
    project.write("prefork.toml", f"a = {value}")
    assert project.error().startswith("prefork.toml: it can't be read: ")


def test_a_broken_pyproject_is_told_too(project: Project) -> None:
    project.write("pyproject.toml", "[tool\n")
    assert project.error() == "pyproject.toml: line 1, column 6: expected ']' at the end of a table declaration"


def test_our_table_in_pyproject_must_be_one(project: Project) -> None:
    project.write("pyproject.toml", "[tool]\nprefork = 5\n")
    assert project.error() == "pyproject.toml: tool.prefork: 5 is not a table"


def test_no_app_at_all_says_how_to_name_one(project: Project) -> None:
    assert project.error() == NO_APP
    project.write("prefork.toml", "")
    assert project.error() == NO_APP
