"""`prefork simulate` as its user meets it: loads, candidates, figures, expectations, and one line for each mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from prefork.simulation.figures import FIGURES
from prefork.simulation.peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Outcome

    Prefork = Callable[..., Outcome]

STATIC = "[pool]\nmax_sessions = 1\n[pool.sizing]\nkind = 'static'\nworkers = {workers}\n"
LOAD = ("--traffic", "poisson:rate=20,lasts=10s")


@pytest.fixture(autouse=True)
def pools(folder: Path) -> None:
    """Two configs: one worker, and nine."""
    (folder / "one.toml").write_text(STATIC.format(workers=1))
    (folder / "nine.toml").write_text(STATIC.format(workers=9))


def figures(done: Outcome) -> list[dict[str, Any]]:
    """The runs of the first candidate."""
    assert (done.code, done.err) == (0, "")
    runs: list[dict[str, Any]] = json.loads(done.out)["candidates"][0]["runs"]
    return runs


def test_each_candidate_is_a_column(prefork: Prefork) -> None:
    done = prefork("simulate", "-c", "nine.toml", "--against", "one.toml", "--peer", "apache", *LOAD, "--cores", "1")
    lines = done.out.splitlines()
    assert (done.code, done.err, lines[0]) == (0, "", "poisson:rate=20,lasts=10s")
    assert lines[1].endswith(" connections in 10s, spawn time 200ms, seed 1")
    assert lines[3].split() == ["nine.toml", "one.toml", "apache"]
    cells = {line.split()[0]: line.split()[1:] for line in lines[4:]}
    assert cells["mean_workers"][:2] == ["9", "1"]
    assert cells["p50_wait"][0] == "0ms"
    assert cells["p50_wait"][1] != "0ms"


def test_a_config_needs_nothing_but_its_pool_and_the_defaults_are_one(prefork: Prefork, folder: Path) -> None:
    assert prefork("simulate", *LOAD).out.splitlines()[3].strip() == "defaults"
    (folder / "prefork.toml").write_text(STATIC.format(workers=3))
    done = prefork("simulate", *LOAD)
    assert done.out.splitlines()[3].strip() == "prefork.toml"
    assert figures(prefork("simulate", *LOAD, "--json"))[0]["mean_workers"] == 3


def test_the_layers_around_a_config_are_those_of_serve(prefork: Prefork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFORK_POOL_SIZING_WORKERS", "5")
    assert figures(prefork("simulate", "-c", "one.toml", *LOAD, "--json"))[0]["mean_workers"] == 5


def test_the_backlog_is_the_listeners(prefork: Prefork, folder: Path) -> None:
    (folder / "full.toml").write_text("listen = [{url = 'tcp://h:1', backlog = 1}]\n" + STATIC.format(workers=1))
    assert figures(prefork("simulate", "-c", "full.toml", *LOAD, "--json"))[0]["refused"] > 50
    assert figures(prefork("simulate", "-c", "one.toml", *LOAD, "--json"))[0]["refused"] == 0


def test_every_peer_can_be_had_at_once_with_a_line_each(prefork: Prefork) -> None:
    done = prefork("simulate", "-c", "nine.toml", *LOAD, "--peer", "all", "--cores", "1")
    lines = done.out.splitlines()
    assert lines[3].split()[:2] == ["p50_wait", "p99_wait"]
    assert [line.split()[0] for line in lines[4:]] == ["nine.toml", *PEERS]


def test_peers_that_cannot_judge_such_a_pool_are_left_out_of_all(prefork: Prefork, folder: Path) -> None:
    (folder / "open.toml").write_text("[pool.sizing]\nkind = 'static'\nworkers = 2\n")
    done = prefork("simulate", "-c", "open.toml", *LOAD, "--peer", "all", "--cores", "1", "--json")
    names = {each["name"] for each in json.loads(done.out)["candidates"]}
    assert "apache" in names
    assert "kubernetes-hpa" not in names


def test_help_names_every_kind_figure_and_peer(prefork: Prefork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = " ".join(prefork("simulate", "--help").out.split())
    assert "flash:base=N,peak=N[,at=1m,rise=5s,halves=30s]" in text
    assert "pareto:mean=200ms,shape=1.5" in text
    assert all(f"{figure.name}" in text for figure in FIGURES)
    assert all(name in text for name in PEERS)
    assert "Examples: prefork simulate" in text


def test_json_has_every_figure_of_every_run(prefork: Prefork) -> None:
    runs = figures(
        prefork("simulate", "-c", "nine.toml", *LOAD, "--seeds", "2", "--seed", "7", "--cores", "1", "--json")
    )
    assert [run["seed"] for run in runs] == [7, 8]
    assert all(run.keys() == {"seed", *(figure.name for figure in FIGURES)} for run in runs)
    assert runs[0]["arrivals"] != runs[1]["arrivals"]


def test_a_seed_is_a_run(prefork: Prefork) -> None:
    line = ("simulate", "-c", "one.toml", *LOAD, "--seed", "3", "--json")
    assert prefork(*line) == prefork(*line)


def test_several_loads_add_up(prefork: Prefork) -> None:
    once, twice = (figures(prefork("simulate", *LOAD * many, "--json"))[0]["arrivals"] for many in (1, 2))
    assert twice > once * 1.5


def test_flags_hold_where_a_load_says_nothing(prefork: Prefork) -> None:
    done = prefork(
        *("simulate", "-c", "nine.toml", "--traffic", "poisson:20", "--traffic", "poisson:1,lasts=5s"),
        *("--lasts", "20s", "--length", "constant:50ms", "--spawn-time", "1s", "--busy", "0", "--json"),
    )
    assert json.loads(done.out)["seconds"] == 20
    assert figures(done)[0]["mean_sessions"] == pytest.approx(1, abs=0.2)


def test_busy_sessions_slow_one_another(prefork: Prefork, folder: Path) -> None:
    (folder / "open.toml").write_text("[pool.sizing]\nkind = 'static'\nworkers = 1\n")
    line = ("simulate", "-c", "open.toml", *LOAD, "--json", "--busy")
    idle, full = (figures(prefork(*line, share))[0]["mean_sessions"] for share in ("0", "100%"))
    assert full > 2 * idle


# -- expectations


def test_what_holds_is_told_and_the_exit_code_is_0(prefork: Prefork) -> None:
    done = prefork("simulate", "-c", "nine.toml", *LOAD, "--expect", "refused == 0", "--expect", "most_workers <= 9")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == ["holds  refused == 0: 0", "holds  most_workers <= 9: 9"]


def test_what_does_not_hold_is_told_with_its_figure_and_the_exit_code_is_3(prefork: Prefork) -> None:
    done = prefork("simulate", "-c", "one.toml", *LOAD, "--expect", "mean_workers < 1", "--expect", "lost == 0")
    assert done.code == 3
    assert done.err == "prefork: one.toml is not as expected: mean_workers < 1: 1\n"
    assert done.out.splitlines()[-2:] == ["FAILS  mean_workers < 1: 1", "holds  lost == 0: 0"]


def test_an_expectation_is_of_the_config_that_is_tried_alone(prefork: Prefork) -> None:
    line = ("simulate", *LOAD, "--expect", "mean_workers == 9", "--cores", "1")
    assert prefork(*line, "-c", "nine.toml", "--against", "one.toml").code == 0
    assert prefork(*line, "-c", "one.toml", "--against", "nine.toml").code == 3


def test_it_must_hold_with_every_seed(prefork: Prefork) -> None:
    line = ("simulate", "-c", "one.toml", *LOAD, "--seeds", "3", "--cores", "1")
    arrivals = [run["arrivals"] for run in figures(prefork(*line, "--json"))]
    done = prefork(*line, "--expect", f"arrivals < {max(arrivals)}")
    assert done.code == 3
    told = f"arrivals < {max(arrivals)}: {max(arrivals)} (seed {arrivals.index(max(arrivals)) + 1})"
    assert done.out.splitlines()[-1] == f"FAILS  {told}"


def test_verdicts_are_in_the_json(prefork: Prefork) -> None:
    done = prefork("simulate", "-c", "one.toml", *LOAD, "--expect", "mean_workers < 1", "--json")
    assert done.code == 3
    verdict = {"expected": "mean_workers < 1", "holds": False, "measured": 1.0}
    assert json.loads(done.out)["expectations"] == [verdict]


# -- drawings


def test_page_and_picture_are_written(prefork: Prefork, folder: Path) -> None:
    done = prefork("simulate", "-c", "one.toml", *LOAD, "--report", "r.html", "--png", "r.png")
    assert (done.code, done.err) == (0, "")
    assert (folder / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert (folder / "r.png").read_bytes().startswith(b"\x89PNG")


def test_they_are_written_where_an_expectation_fails_too(prefork: Prefork, folder: Path) -> None:
    assert prefork("simulate", "-c", "one.toml", *LOAD, "--png", "r.png", "--expect", "lost == 1").code == 3
    assert (folder / "r.png").exists()


def test_without_their_library_it_is_named_before_anything_is_computed(
    prefork: Prefork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.cli.drawing.find_spec", lambda _name: None)
    message = "prefork: --report r.html: plotly is not installed: pip install 'prefork[report]'\n"
    assert prefork("simulate", *LOAD, "--report", "r.html") == (2, "", message)


DURATIONS = 'write seconds as a number, or such as "30s", "500ms", "2m" or "1h"'
SAY = "say a FILE.csv, or such as flash:base=5,peak=100 or poisson:rate=20"
MISTAKES = {
    "no load": ("", f"--traffic: not given: {SAY}"),
    "a kind almost right": (
        "--traffic flsh:base=5",
        "--traffic flsh:base=5: there is no such file, and no such kind of load: did you mean flash?",
    ),
    "a kind like no other": (
        "--traffic xyzzy",
        f"--traffic xyzzy: there is no such file, and no such kind of load: {SAY}",
    ),
    "a number that is none": ("--traffic poisson:many", "--traffic poisson:many: rate: 'many' is no number"),
    "a file that isn't there": ("--traffic no.csv", "--traffic no.csv: there is no such file"),
    "a file that isn't there, with columns": (
        "--traffic no.csv:count=n",
        "--traffic no.csv:count=n: there is no such file",
    ),
    "a word that is no name of a file": (
        f"--traffic {'x' * 5000}",
        f"--traffic {'x' * 5000}: there is no such file, and no such kind of load: {SAY}",
    ),
    "a config of such a name": (f"--traffic poisson:1 -c {'x' * 5000}", f"-c {'x' * 5000}: there is no such file"),
    "a folder": ("--traffic run/", "--traffic run/: it can't be read: Is a directory"),
    "a config that isn't there": ("-c no.toml --traffic poisson:1", "-c no.toml: there is no such file"),
    "another one": ("--against no.toml --traffic poisson:1", "--against no.toml: there is no such file"),
    "a peer almost right": (
        "--traffic poisson:1 --peer apach",
        f"--peer: peer 'apach' is not known: choose one of {', '.join(PEERS)}",
    ),
    "a length that is none": (
        "--traffic poisson:1 --length parreto:1s",
        "--length: 'parreto' is no kind of length; did you mean pareto?",
    ),
    "a time that is none": ("--traffic poisson:1 --lasts soon", f"--lasts: 'soon' is no duration: {DURATIONS}"),
    "no time at all": ("--traffic poisson:1 --lasts 0s", "--lasts: 0s is nothing: write such as 10m"),
    "a scale of no file": (
        "--traffic poisson:1 --scale 2",
        "--scale: it multiplies recordings, and --traffic names no file: write other numbers there",
    ),
    "a scale that is none": ("--traffic poisson:1 --scale x", "--scale: 'x' is no number: write such as 2 or 0.1"),
    "a busy share that is none": (
        "--traffic poisson:1 --busy 5",
        "--busy: '5' is not a share: write such as 1% or 0.01",
    ),
    "no runs": ("--traffic poisson:1 --seeds 0", "--seeds: '0' is no whole number from 1 on"),
    "a seed that is none": ("--traffic poisson:1 --seed -1", "--seed: '-1' is no whole number from 0 on"),
    "no core": ("--traffic poisson:1 --cores none", "--cores: 'none' is no whole number from 1 on"),
    "an expectation that is none": (
        "--traffic poisson:1 --expect p99_wait",
        "--expect: 'p99_wait' is no expectation: write NAME SIGN VALUE, such as 'p99_wait < 50ms'",
    ),
    "an expectation that this load can't tell": (
        "--traffic sine:5,lasts=5s --expect settles_within<60s",
        "defaults: settles_within: this traffic never comes to rest; take one such as Step or Flash",
    ),
    "a report nowhere": (
        "--traffic poisson:1 --report no/r.html",
        "--report no/r.html: no is no place for a file",
    ),
    "a picture in a folder's place": ("--traffic poisson:1 --png run", "--png run: it is no place for a file"),
}


@pytest.mark.parametrize(("line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(prefork: Prefork, line: str, message: str) -> None:
    assert prefork("simulate", *line.split()) == (2, "", f"prefork: {message}\n")


def test_a_disk_that_does_not_take_the_page_is_one_line(prefork: Prefork) -> None:
    done = prefork("simulate", "-c", "one.toml", *LOAD, "--png", "/dev/full")
    assert (done.code, done.err) == (1, "prefork: --png /dev/full: it can't be written: No space left on device\n")
