"""Every reason that the policy says has its words, its figures, and settings that exist."""

from __future__ import annotations

import re

import pytest

from prefork.journal.words import _WORDS, words_of
from prefork.layers.shape import shape
from prefork.policy.model import Because, Decision, Reason
from prefork.policy.units import NS
from prefork.simulation import simulate
from tests.property.test_simulated import RUNS


def test_every_reason_has_words() -> None:
    assert set(_WORDS) == set(Reason)


def test_every_setting_that_is_named_is_one() -> None:
    known = {leaf.dotted for leaf in shape().leaves.values()}
    assert {name for rules in _WORDS.values() for words in rules for name in words.settings} <= known


@pytest.mark.parametrize("name", RUNS)
def test_what_a_pool_decides_is_told_with_its_figures(name: str) -> None:
    config, traffic, host = RUNS[name]
    said: set[Decision] = {each.decision for each in simulate(config, traffic, 1, host).decisions}
    assert len(said) > 5
    for decision in said:
        sentence = words_of(decision.because).sentence
        assert sentence
        assert not re.search(r"[{}]|_ns|_bytes|_micro", sentence)


def test_figures_have_their_units() -> None:
    because = Because(
        Reason.SILENT_BLOCKED, (("silent_ns", 31 * NS), ("heartbeat_timeout_ns", 30 * NS), ("cpu_ns", 1_234_567))
    )
    assert words_of(because).sentence == (
        "its loop had not turned for 31s (the limit is 30s) and burnt 0.00123 s of CPU meanwhile: "
        "it waits for something in one callback"
    )
    aged = Because(Reason.MAX_AGE, (("used", 90 * NS), ("limit", 80 * NS)))
    assert words_of(aged).sentence == "it had served for 90s; its limit is 80s"
    fat = Because(Reason.MAX_RSS, (("used", 3 << 20), ("limit", 5_000_001)))
    assert words_of(fat).sentence == "it took 3MiB; its limit is 4.8 MiB"


def test_figures_of_another_release_are_told_as_they_are() -> None:
    assert words_of(Because(Reason.START, (("bogus", 3),))).sentence == "bogus 3"
