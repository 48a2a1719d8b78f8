"""The scenario of reports: rates under load, and processor time of the service; each build on a history that it applied itself."""

import time
from collections.abc import Iterator
from itertools import islice

from bench.asking import Asker, distinct_intervals
from bench.compare.processor_time import processor_seconds
from bench.compare.scenario import Row, Scenario
from bench.data import DAY_US
from bench.datasets import busy_history, load
from bench.query import KINDS, Query
from bench.servers import BenchWorld

_WORDS = {"page_navigation": "page navigation", "interaction": "interaction"}
# Of one client. The first ones read most of the buckets and fill the cache.
_WARM, _ASKED, _QUICK_WARM, _QUICK_ASKED = 3_000, 2_000, 600, 400


def _prepare(world: BenchWorld, quick: bool) -> None:  # noqa: FBT001 - the signature of every preparation
    for kind, partition in KINDS.items():
        # The newest 36 days: no question goes further back.
        load(world, world.names(partition), busy_history(kind, quick=quick)[1:])


def _measure(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: ARG001, FBT001 - a measure's signature
    rounds = Query(world, quick=quick).once()
    figures = {
        f"{figure} {kind}": rounds.median(f"{name} {kind}")
        for kind in KINDS
        for figure, name in (("polled", "polled"), ("distinct", "1 distinct"), ("first", "first"))
    }
    for kind in KINDS:
        figures |= {f"{name} {kind}": value for name, value in _processor_time(world, kind, quick=quick).items()}
    return figures


def _processor_time(world: BenchWorld, kind: str, *, quick: bool) -> dict[str, float]:
    """Processor time of the service in µs an answer while nothing changes, of polls and of reports never asked before."""
    warm, asked = (_QUICK_WARM, _QUICK_ASKED) if quick else (_WARM, _ASKED)
    path = world.path(world.names(KINDS[kind]))
    process, port = world.serve()
    asker = Asker(port, world.token())

    def ask(intervals: Iterator[tuple[int, int]]) -> float:
        for interval in islice(intervals, warm):
            asker.patient_report(path, *interval)
        before = processor_seconds(process.pid)
        for interval in islice(intervals, asked):
            asker.patient_report(path, *interval)
        return (processor_seconds(process.pid) - before) * 1e6 / asked

    figures = {
        "distinct µs": ask(iter(distinct_intervals(time.time_ns() // 1000, warm + asked))),
        "polled µs": ask(_last_30_days()),
    }
    asker.close()
    world.stop(process)
    return figures


def _last_30_days() -> Iterator[tuple[int, int]]:
    while True:
        now = time.time_ns() // 1000
        yield now - 30 * DAY_US, now


# By kind: what a new report of this build must take of the base's processor time.
_TARGETS = {"page_navigation": None, "interaction": 0.67}

SCENARIO = Scenario(
    _measure,
    [
        row
        for kind, words in _WORDS.items()
        for row in (
            Row(f"polled {kind}", f"polled report, {words}, 1,000 events/s coming in, requests/s", higher=True),
            Row(f"distinct {kind}", f"reports never asked before, {words}, requests/s", higher=True),
            Row(f"polled µs {kind}", f"polled report, {words}, one client, processor time in µs"),
            Row(f"distinct µs {kind}", f"report never asked before, {words}, likewise", _TARGETS[kind]),
            Row(f"first {kind}", f"first report of a fresh process, {words}, ms above a ping"),
        )
    ],
    partitions=16,
    prepare=_prepare,
)
