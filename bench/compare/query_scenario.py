"""The scenario of reports: polls, reports never asked before, first reports; each build on a history that it applied itself."""

from bench.compare.scenario import Row, Scenario
from bench.datasets import busy_history, load
from bench.query import KINDS, Query
from bench.servers import BenchWorld

_WORDS = {"page_navigation": "page navigation", "interaction": "interaction"}


def _prepare(world: BenchWorld, quick: bool) -> None:  # noqa: FBT001 - the signature of every preparation
    for kind, partition in KINDS.items():
        load(world, world.names(partition), busy_history(kind, quick=quick))


def _measure(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: ARG001, FBT001 - a measure's signature
    rounds = Query(world, quick=quick).once()
    return {
        f"{figure} {kind}": rounds.median(f"{name} {kind}")
        for kind in KINDS
        for figure, name in (("polled", "polled"), ("distinct", "1 distinct"), ("first", "first"))
    }


SCENARIO = Scenario(
    _measure,
    [
        row
        for kind, words in _WORDS.items()
        for row in (
            Row(f"polled {kind}", f"polled report, {words}, 1,000 events/s coming in, requests/s", higher=True),
            Row(f"distinct {kind}", f"reports never asked before, {words}, requests/s", higher=True),
            Row(f"first {kind}", f"first report of a fresh process, {words}, ms above a ping"),
        )
    ],
    partitions=16,
    prepare=_prepare,
)
