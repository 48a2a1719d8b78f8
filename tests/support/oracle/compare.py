"""Holding an answer against the exact one: event counts, sums, names and order are equal, unique counts are close."""

from dataclasses import dataclass
from typing import Any

UNIQUES = {"unique_visitors_count", "unique_sessions_count"}
SMALL = 50  # below this at least nine in ten are exact
ENOUGH = 100  # small counts, to speak of a share of them


@dataclass
class Tally:
    """The number of small unique counts that were compared, and of exact ones among them."""

    small: int = 0
    exact: int = 0

    def nine_in_ten(self) -> bool:
        """Tell if the contract's share is met; zeros are not counted, because they are always exact.

        Of counts near 50 one in twenty is off, when two ids share a register. So a dozen says nothing about a share (two of 13
        are off in one run of seven): it takes a hundred before one is asked for.
        """
        return self.small < ENOUGH or self.exact * 10 >= self.small * 9


def compare(actual: Any, expected: Any, tally: Tally) -> None:  # noqa: ANN401 - JSON
    """Assert that `actual` is as good an answer as the contract asks for, given the exact one."""
    if "timeframe_stat" in expected:
        assert list(actual["timeframe_stat"]) == list(expected["timeframe_stat"])
        for name, pairs in expected["timeframe_stat"].items():
            found = actual["timeframe_stat"][name]
            assert [index for _, index in found] == [index for _, index in pairs], name
            for (value, index), (exact, _) in zip(found, pairs, strict=True):
                _close(value, exact, tally, f"{name}[{index}]")
    _same({k: v for k, v in actual.items() if k != "timeframe_stat"}, expected, tally, "")


def _same(actual: Any, expected: Any, tally: Tally, path: str) -> None:  # noqa: ANN401 - JSON
    if isinstance(expected, dict):
        expected = {name: value for name, value in expected.items() if name != "timeframe_stat"}
        assert list(actual) == list(expected), path
        for name, value in expected.items():
            if name in UNIQUES:
                _close(actual[name], value, tally, f"{path}/{name}")
            else:
                _same(actual[name], value, tally, f"{path}/{name}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), f"{path}: {actual} instead of {expected}"
        for place, value in enumerate(expected):
            _same(actual[place], value, tally, f"{path}/{place}")
    else:
        assert actual == expected, f"{path}: {actual!r} instead of {expected!r}"


def _close(actual: int, exact: int, tally: Tally, path: str) -> None:
    assert isinstance(actual, int), path
    assert abs(actual - exact) <= exact * 0.03 + 2, f"{path}: {actual} is too far from {exact}"
    if exact == 0:
        assert actual == 0, f"{path}: {actual} of nothing"
    elif exact < SMALL:
        tally.small += 1
        tally.exact += actual == exact
