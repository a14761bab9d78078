"""What counted work explains, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elue.evaluation.passes import bare, effort
from elue.evaluation.passes.effort import (
    BARE,
    BESIDE,
    CALLS,
    FACTOR,
    FLOPS_A_CALL,
    FLOPS_A_FURTHER,
    FULL,
    INSTRUCTIONS,
    LITTLE,
    LOOSE,
    MORE,
    OWN,
    OWN_MOST,
    SETTLED,
    SLACK,
    Calibration,
    Machine,
    Recalibrations,
    forged,
    remembered,
    unexplained,
)
from elue.evaluation.work import LONG, Effort, Work, long_letters, one_by_one
from elue.protocol import Sample

METERED = Calibration(call=1e-5, small=4e-6, free=2e-6, flop=1e-10, param=1e-9)
MACHINE = Machine(METERED, Calibration(call=2e-6, small=1e-6, free=5e-7, flop=1e-10, param=1e-9))
HALF = Work(10, 100, 10**9, 10**6, 30, 20)


def test_what_is_explained_is_the_sum_of_its_parts() -> None:
    work = HALF + HALF
    assert work == HALF * 2 == Work(20, 200, 2 * 10**9, 2 * 10**6, 60, 40)
    computing, beside, idle = 1e-10 * 2e9 + 1e-9 * 2e6, 1e-5 * 20 * CALLS, 2e-6 * 60
    assert METERED.explained(work) == pytest.approx(1e-5 * 200 + computing + beside + 4e-6 * 40 + idle)
    allowed = FACTOR * (1e-5 * 300 + computing) + BESIDE * beside + LITTLE * 4e-6 * 40 + idle + SLACK
    assert unexplained(Effort(allowed - 1e-6, work, True), MACHINE) is None
    assert unexplained(Effort(allowed + 0.01, work, True), MACHINE) is not None


def test_without_a_meter_other_prices_hold() -> None:
    allowed = BARE * 2e-6 * 150 + FACTOR * (1e-10 * 1e9 + 1e-9 * 1e6) + BESIDE * 2e-6 * 10 * CALLS
    allowed += LITTLE * 1e-6 * 20 + 5e-7 * 30 + SETTLED
    assert unexplained(Effort(allowed - 1e-6, HALF, False), MACHINE, SETTLED) is None
    assert unexplained(Effort(allowed + 1e-3, HALF, False), MACHINE, SETTLED) is not None


@pytest.mark.parametrize("kind", ["free", "small", "calls"])
def test_calls_on_next_to_nothing_earn_what_they_take(kind: str) -> None:
    """Of operators that cost nothing, of those that cost a FLOP, or among calls of the same operator that cost much."""
    few = Work(1, 20, 10**6)
    many = few + Work(0, **{kind: 5000})
    more = METERED.allowed(many, FACTOR) - METERED.allowed(few, FACTOR)
    full = min(many.calls, FULL + 10**6 // FLOPS_A_CALL)
    most = LITTLE * 4e-6 * 5000 + FACTOR * 1e-5 * (full - 20 + full)
    assert more <= most
    assert full < 40


def test_a_large_model_that_pads_small_products_earns_less_than_its_flops_do() -> None:
    """Ten thousand products of two small matrices beside 1.3 GFLOPs: beyond some hundred each earns what it takes."""
    bare = MACHINE.bare
    large = Work(1, 200, 13 * 10**8)
    padded = large + Work(calls=10_000, small=10_000, flops=10_000 * 1024)
    more = bare.allowed(padded, BARE) - bare.allowed(large, BARE)
    full = FULL + MORE + padded.flops // FLOPS_A_FURTHER
    computing = FACTOR * 1e-10 * (padded.flops - large.flops)
    assert more <= LITTLE * 1e-6 * 20_000 + BARE * 2e-6 * 2 * full + computing
    assert BARE * 2e-6 * 2 * full < FACTOR * 1e-10 * large.flops / 10


def test_python_around_operators_explains_what_calls_on_little_take_in_its_place() -> None:
    looked = HALF + Work(instructions=300_000)
    more = 300_000 * 1e-6 / INSTRUCTIONS
    bare = MACHINE.bare
    assert bare.allowed(looked, BARE) - bare.allowed(HALF, BARE) == pytest.approx(more)
    assert bare.explained(looked) - bare.explained(HALF) == pytest.approx(more)


def test_what_a_method_takes_where_nothing_is_hidden_it_may_take_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recalibrations, "slower", lambda _, machine: machine)
    machines = Recalibrations(None)  # type: ignore[arg-type]
    usual = METERED.allowed(HALF, FACTOR)
    own = Effort(1.2 * usual, HALF, True, loose=LOOSE)
    assert unexplained(Effort(2 * usual, HALF, True, loose=LOOSE), MACHINE) is None
    assert unexplained(Effort(2 * usual + SLACK, HALF, True), MACHINE) is not None
    twice = HALF * 2
    for seconds, within in ((OWN * 2.4 * usual + SLACK - 1e-6, True), (OWN * 2.4 * usual + SLACK + 0.01, False)):
        taken = [(Effort(seconds, twice, True), SLACK)]
        assert machines.unexplained(taken, MACHINE) is not None
        assert (machines.unexplained(taken, MACHINE, [own]) is None) == within
    slow = Effort(2.5 * usual, HALF, True, loose=LOOSE)
    most = OWN_MOST * 2 * usual + SLACK
    for seconds, within in ((most - 1e-6, True), (most + 0.01, False)):
        assert (machines.unexplained([(Effort(seconds, twice, True), SLACK)], MACHINE, [slow]) is None) == within
    unmetered = [(Effort(9.0, HALF, False), SLACK)]
    assert machines.unexplained(unmetered, MACHINE, [own]) is not None, "what it takes under the Meter says nothing"


def test_texts_that_take_far_more_when_they_are_first_read_are_a_finding() -> None:
    settled = Effort(1.0, HALF * 10, False, turns=10)
    assert remembered(Effort(0.29, HALF, False), settled, MACHINE) is None
    flag = remembered(Effort(0.9, HALF, False), settled, MACHINE)
    assert flag is not None
    assert flag.code == "cpu_unexplained"
    assert remembered(Effort(0.9, HALF, False), replace(settled, seconds=5.0), MACHINE) is None, "it always does"


def test_many_small_experts_earn_what_they_take() -> None:
    """Four experts of a few rows, cut from a narrow encoder: half of the calls look rows up, add or weight them.

    Measured of DeepSeekMoE beside other work: 0.44 s for 32 samples under the Meter, 0.43 s for 80 without it.
    """
    metered = Calibration(call=1.75e-5, small=4.2e-6, free=3.4e-6, flop=1.46e-11, param=1.7e-10)
    bare = Calibration(call=7.9e-6, small=9e-7, free=2.4e-6, flop=1.46e-11, param=1.7e-10)
    under, without = (Work(n, 131 * n, 14_637_000 * n, 403_000 * n, 37 * n, 65 * n) for n in (32, 80))
    machine = Machine(metered, bare)
    assert unexplained(Effort(1.5 * 0.44, under, True, loose=LOOSE), machine) is None
    assert unexplained(Effort(1.4 * 0.43, without, False), machine, SETTLED) is None
    assert unexplained(Effort(2.0 * 0.43, without, False), machine, SETTLED) is not None
    for free in (30_000, 300_000):
        padded = under + Work(free=free)
        more = metered.allowed(padded, FACTOR) - metered.allowed(under, FACTOR)
        assert more == pytest.approx(3.4e-6 * free + FACTOR * 1.75e-5 * 32 * 29), "as many as there are full ones"


def test_calls_of_a_real_model_earn_in_full() -> None:
    """BERT-base: 12 layers of some 20 calls each, 11 GFLOPs for 64 tokens."""
    assert METERED.explained(Work(1, 250, 11 * 10**9)) == pytest.approx(1e-5 * (250 + CALLS) + 1e-10 * 11e9)


def test_what_a_pass_may_take_besides_is_a_small_part_of_a_small_model() -> None:
    turns = bare.turns_for(MACHINE)
    small = MACHINE.bare.explained(bare.SMALL)
    assert bare.SMALL.flops == 100_000_000
    assert SETTLED <= 0.05 * turns * small < SETTLED + 0.05 * small


def test_of_two_calibrations_the_slower_holds() -> None:
    other = Machine(Calibration(2e-5, 5e-6, 1e-6, 5e-11, 1e-9), MACHINE.bare)
    assert MACHINE.or_slower(other) == Machine(Calibration(2e-5, 5e-6, 2e-6, 1e-10, 1e-9), MACHINE.bare)


def test_calls_that_the_meter_took_no_time_for_are_forged() -> None:
    bare = Effort(0.2, Work(20, 0, 0, 0, 0, 0), False)
    told = Work(10, 0, 0, 0, 0, 10**6)  # 3 s of the Meter's
    assert forged(Effort(0.3, told, True), bare, MACHINE) is not None
    assert forged(Effort(3.0, told, True), bare, MACHINE) is None
    assert forged(Effort(0.1, Work(10, 100, 0, 0, 0, 0), True), bare, MACHINE) is None


def test_time_that_shows_once_and_not_in_other_samples_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recalibrations, "slower", lambda _, machine: machine)
    machines = Recalibrations(None)  # type: ignore[arg-type]
    allowed = METERED.allowed(HALF, FACTOR) + SLACK
    little, much = (Effort(allowed * part, HALF, True) for part in (0.9, 1.1))
    assert machines.confirmed(little, MACHINE, lambda: much) is None
    assert machines.confirmed(much, MACHINE, lambda: little) is None
    for others in (much, None):
        flag = machines.confirmed(much, MACHINE, lambda others=others: others)
        assert flag is not None
        assert flag.code == "cpu_unexplained"


def test_one_slow_sample_of_many_counts_for_nothing_and_work_in_every_sample_does() -> None:
    """The system's own work is in one; what a plugin hides is in all, and hiding it in one gains it one answer."""
    works = [Work(1, 10 + place) for place in range(24)]
    steady = [0.01 * place for place in range(25)]
    hiccup = steady[:5] + [clock + 0.2 for clock in steady[5:]]
    hidden = [0.02 * place for place in range(25)]
    even = one_by_one(steady, works)
    assert even is not None
    assert (even.seconds, even.work.samples, even.metered) == (pytest.approx(0.22), 22, True)
    for clocks, seconds in ((hiccup, 0.22), (hidden, 0.44)):
        taken = one_by_one(clocks, works)
        assert taken is not None
        assert taken.seconds == pytest.approx(seconds)
    dropped = one_by_one(hiccup, works)
    assert dropped is not None
    assert sum(work.calls for work in works) - dropped.work.calls >= 14, "its own work goes with it"
    assert one_by_one([0.0, 1.0, 2.0], works[:2]) == Effort(2.0, works[0] + works[1], True), "few are all counted"
    assert one_by_one([0.0, None, 2.0], works[:2]) is None


def test_long_texts_take_the_time_that_letters_take_and_no_more() -> None:
    rates = effort.Calibration(1e-5, 1e-6, 1e-6, 1e-11, 1e-9, letter=3e-7)
    machine = effort.Machine(rates, rates)
    work = Work(4, 400, 10**7, 10**5, letters=4 * 1_600_000)
    assert effort.unexplained(Effort(3.0, work, False, turns=2), machine) is None
    flag = effort.unexplained(Effort(9.0, work, False, turns=2), machine)
    assert flag is not None
    assert "over 2 samples, each asked 2 times" in flag.detail
    usual = [Sample("a", "word " * 1000), Sample("b", "word " * 1000, "pair " * 1000)]
    assert [long_letters(sample) for sample in usual] == [0, 0]
    assert long_letters(Sample("c", "x" * (LONG + 5), "y" * (LONG + 7))) == 12
