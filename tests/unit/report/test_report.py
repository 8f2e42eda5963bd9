"""The page is well-formed, needs no network, and tells everything; the picture is a picture."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from prefork.policy.config import PoolConfig, SpareSizing
from prefork.report import Column, Content, Tuned, page, picture, settings_page, settings_picture
from prefork.report.content import MOST_MARKS, Figures, arrival_rate, marks, sampled, workers
from prefork.simulation import Flash, Poisson, Run, simulate
from prefork.simulation.frontier import Point, Setting

POOL = PoolConfig(max_workers=20, max_sessions=1, sizing=SpareSizing(min_spare=2, max_spare=6, hold=5))
RUN = simulate(POOL, Flash(2, 30, at="20s", lasts="2m"))
NAME = 'a<b>&"c".toml'
CONTENT = Content(
    told=["flash:base=2,peak=30", "<i>not markup</i>"],
    columns=[Column(NAME, RUN), Column("other", RUN)],
    rows=[Figures("p99_wait", "who waited", ("12ms", "3 < 4"))],
    verdicts=[(True, "holds  p99_wait < 50ms: 12ms"), (False, "FAILS  lost == 1: 0")],
)
EMPTY = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Elements that are opened and not closed, addresses that a browser would fetch, and text outside of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    return page(CONTENT)


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def traces(html: str) -> list[dict[str, Any]]:
    return curves_of(html)


def curves_of(html: str) -> list[dict[str, Any]]:
    """The curves as the script gets them."""
    found = re.search(r'Plotly\.newPlot\(\s*"[^"]+",\s*(\[.*?\]),\s*\{"', html, re.DOTALL)
    assert found
    curves: list[dict[str, Any]] = json.JSONDecoder().raw_decode(found[1])[0]
    return curves


def test_every_element_is_closed_and_nothing_is_fetched(reader: Reader) -> None:
    assert reader.open == []
    assert reader.fetched == []


def test_the_library_is_in_the_page(html: str) -> None:
    assert len(html) > 1_000_000
    assert "Plotly.newPlot" in html


def test_what_was_played_the_figures_and_the_verdicts_are_text_and_no_markup(reader: Reader) -> None:
    text = " ".join(reader.text)
    for told in (NAME, "<i>not markup</i>", "p99_wait", "3 < 4", "holds  p99_wait < 50ms: 12ms", "FAILS  lost == 1: 0"):
        assert told in text


def test_each_column_has_its_curves(traces: list[dict[str, Any]]) -> None:
    lines = [each for each in traces if each["mode"] == "lines"]
    assert len(lines) == 2 * 4 + 1  # whoever serves it, the load is one
    assert [each["name"] for each in lines if each.get("showlegend") is not False] == [NAME, "other"]


def test_each_decision_is_told_with_its_reason_and_figures(traces: list[dict[str, Any]]) -> None:
    told = [text for each in traces if each["mode"] == "markers" for text in each["text"]]
    assert len(told) == 2 * RUN.decided
    assert any("spawn worker" in text and "few_spares<br>" in text and "min_spare 2" in text for text in told)
    assert any("retire worker" in text and "surplus<br>" in text for text in told)


def test_of_many_policies_each_is_a_line_and_the_others_are_seen_when_asked_for() -> None:
    names = [f"p{index}" for index in range(8)]
    rows = [Figures("flaps", "", tuple(map(str, range(8))))]
    html = page(Content([], [Column(name, RUN) for name in names], rows))
    assert "<tr><th>p7</th><td>7</td></tr>" in html
    assert "<h1>prefork simulate: p0, p1, p2, p3, p4, p5 and 2 others</h1>" in html
    drawn = curves_of(html)
    assert {each["legendgroup"] for each in drawn if each.get("visible") == "legendonly"} == {"p6", "p7"}


def test_curves_are_those_of_the_run() -> None:
    live = workers(RUN)
    assert live.at[-1] == RUN.seconds
    assert max(live.values) == RUN.workers.most
    assert max(sampled(RUN, "longest_queue").values) == max(each.longest_queue for each in RUN.samples)
    rate = arrival_rate(RUN)
    assert sum(rate.values) * RUN.seconds / len(rate.at) == pytest.approx(RUN.arrivals)


def test_marks_lie_on_the_curve_of_workers() -> None:
    assert all(mark.workers == RUN.workers.at(round(mark.at * 1e9)) for mark in marks(RUN))


def restless() -> Run:
    """More decisions than are drawn."""
    run = simulate(POOL, Poisson(1, lasts="2s"))
    decided = [*RUN.decisions] * (MOST_MARKS // len(RUN.decisions) + 2)
    return Run(**{**vars(run), "decisions": decided, "decided": len(decided)})


def test_a_run_of_very_many_decisions_is_thinned_and_the_page_says_so() -> None:
    run = restless()
    assert MOST_MARKS / 2 <= len(marks(run)) <= MOST_MARKS
    text = page(Content([], [Column("busy", run)], []))
    assert f"busy: {run.decided - len(marks(run)):,} of {run.decided:,} decisions are not drawn." in text


def test_a_run_that_is_hours_long_has_an_axis_in_hours() -> None:
    units = [
        Content([], [Column("", Run(**{**vars(RUN), "seconds": seconds}))], []).unit[0]
        for seconds in (60, 3600, 90_000)
    ]
    assert units == ["s", "min", "h"]


def test_the_picture_is_a_picture_of_both() -> None:
    one, both = picture(Content(CONTENT.told, CONTENT.columns[:1], [])), picture(CONTENT)
    assert one.startswith(b"\x89PNG\r\n\x1a\n")
    assert one != both


POINTS = [Point(Setting(float(each), 20, 2, 40), 0.1 / (1 + each), 5.0 + each, 3.0 * each, False) for each in range(4)]
TUNED = Tuned(["a <load>"], "50ms", POINTS, POINTS[:3], POINTS[1], "suggested: <it>", "[pool]\n")


def test_settings_are_told_where_they_lie_and_the_best_is_marked() -> None:
    html = settings_page(TUNED)
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert (reader.open, reader.fetched) == ([], [])
    assert "headroom 1, hold 20s, min 2, max 40: suggested: <it>." in " ".join(reader.text)
    beaten, unbeaten, best = curves_of(html)
    assert [len(each["text"]) for each in (beaten, unbeaten, best)] == [4, 3, 1]
    told = "headroom 1, hold 20s, min 2, max 40<br>5% wait too long<br>6 workers<br>3.0 flaps an hour"
    assert best["text"] == [told]


def test_settings_can_be_had_as_a_picture() -> None:
    assert settings_picture(TUNED).startswith(b"\x89PNG\r\n\x1a\n")
    assert settings_picture(TUNED) != settings_picture(TUNED._replace(best=POINTS[2]))
