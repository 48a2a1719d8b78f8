"""Exactly once, whatever is killed at whatever instant: a short run of the torture that `make torture` does at length."""

import pytest

from sidedata.errors import UsageError
from sidedata.failpoints import POINTS, arm, from_environment
from tests.torture.run import torture

SEED = 20_261_123


@pytest.mark.holds("2.3.1", "2.3.3", "2.3.5")
async def test_nothing_is_lost_or_doubled_in_25_kill_points() -> None:
    """Workers and Redis die, freeze and are cut off while a producer sends; then every answer is the oracle's."""
    result = await torture(SEED, 25)
    assert result.kill_points >= 25
    assert result.events > 200
    assert result.answers_compared > 100


@pytest.mark.holds("2.3.1", "2.3.3", "2.3.5")
@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_nothing_is_lost_or_doubled_in_500_kill_points() -> None:
    """The same with more blows, Redis frozen for longer than anybody waits among them."""
    for seed in range(10):
        await torture(seed, 50, freeze=seed % 2 == 0)


def test_no_place_is_armed_in_production() -> None:
    """Without the variable there is nothing to call."""
    assert from_environment({}) is None
    assert from_environment({"SIDEDATA_FAILPOINT": ""}) is None


@pytest.mark.parametrize("setting", ["nowhere:1", "after_read", "after_read:0", "after_read:-1", "after_read:x"])
def test_a_place_that_is_none_is_refused(setting: str) -> None:
    """A misspelt point would make a test of nothing."""
    with pytest.raises(UsageError, match="SIDEDATA_FAILPOINT"):
        arm(setting)


def test_a_place_counts_its_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    """It kills at the nth passage of its own name, and at no other."""
    killed: list[int] = []
    monkeypatch.setattr("sidedata.failpoints.os.kill", lambda _pid, number: killed.append(number))
    passed = arm("after_read:2")
    for point in (*POINTS, "before_commit"):
        passed(point)
    assert not killed
    passed("after_read")
    assert len(killed) == 1
