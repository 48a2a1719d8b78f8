"""The pause in which live events are gathered."""

import pytest

from sidedata.ingest.worker.gathering import Gathering


def last_pause(rate: float, *, period: float = 0.5) -> float:
    """The pause after ten seconds of a steady rate, in events a second."""
    gathering, pause = Gathering(), 0.0
    for number in range(int(10 / period)):
        pause = gathering.pause(round(rate * period), number * period)
    return pause


@pytest.mark.parametrize(("rate", "pause"), [(4, 0.1), (40, 0.5), (250, 0.5), (10_000, 0.2), (100_000, 0.1)])
def test_the_pause_follows_the_rate(rate: float, pause: float) -> None:
    """A quiet stream's events wait briefly, a busy one's longer, and a very busy one's until a batch is large enough."""
    assert last_pause(rate) == pytest.approx(pause, rel=0.01)


def test_no_pause_makes_an_event_miss_its_second() -> None:
    """At any rate, half of the promised second is left for commit and answer."""
    assert max(last_pause(rate) for rate in (1, 9, 10, 11, 100, 1_000, 2_000, 20_000, 1_000_000)) <= 0.5


def test_a_burst_in_a_quiet_stream_is_forgotten() -> None:
    """The rate is that of the last batches, so events wait briefly again soon after a burst."""
    gathering = Gathering()
    gathering.pause(0, 0.0)
    assert gathering.pause(500, 1.0) == pytest.approx(0.5)
    assert [gathering.pause(1, float(second)) for second in range(2, 12)][-1] == pytest.approx(0.1)


def test_a_clock_that_stands_still_changes_nothing() -> None:
    """Two batches at the same instant have no rate."""
    gathering = Gathering()
    assert gathering.pause(100, 5.0) == gathering.pause(100, 5.0) == pytest.approx(0.1)
