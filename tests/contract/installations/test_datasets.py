"""Recorded traffic through the whole pipeline, held against counts by brute force that come with it.

The recordings are not part of the repository; they are looked for in `shared/datasets` beside it.
"""

import gzip
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.oracle.compare import Tally, compare
from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline, pipeline

DATASETS = ROOT.parent / "shared" / "datasets"
ENTRY_EVENTS = 1_000
ENTRIES = 50  # pushed before a worker's pass, so that the stream stays small


def entries(path: Path) -> Iterator[list[bytes]]:
    """The lines of a recording, an entry's worth at a time."""
    with gzip.open(path, "rb") as lines:
        while taken := [line.rstrip(b"\n") for line in itertools.islice(lines, ENTRY_EVENTS)]:
            yield taken


async def replay(pipe: Pipeline, path: Path, organization: str) -> None:
    """Push a recording and apply it."""
    rest = entries(path)
    while taken := list(itertools.islice(rest, ENTRIES)):
        await pipe.push(*taken, organization=organization)
        await pipe.drain()


def expected_of(name: str) -> list[dict[str, Any]]:
    """The cases of one recording."""
    cases: list[dict[str, Any]] = json.loads((DATASETS / "expected.json").read_text(), parse_float=Decimal)
    return [case for case in cases if case["dataset"] == name]


@pytest.mark.holds("4.1", "4.2", "4.11", "4.12")
@pytest.mark.skipif(not DATASETS.is_dir(), reason="the recordings are not beside this repository")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["shop", "news_clicks"])
async def test_recorded_traffic_gives_the_expected_answers(redis_url: str, name: str) -> None:
    """Every event of the recording is applied or refused as expected, and every expected answer is given."""
    cases = expected_of(name)
    assert cases
    organization, timezone, dead = cases[0]["organization_id"], cases[0]["timezone"], cases[0]["dead_letters"]
    tally = Tally()
    async with pipeline(redis_url, keep_day_days=4_000) as pipe:
        await pipe.organization(timezone, organization)
        await replay(pipe, DATASETS / f"{name}.ndjson.gz", organization)
        assert len(await pipe.letters(organization)) == dead
        for case in cases:
            interval = case["interval"]
            reply = await pipe.ask(case["workflow_id"], interval["start"], interval["end"], organization)
            assert reply.status == 200
            assert reply.effective == f"{interval['start']}/{interval['end']}"
            compare(reply.json, in_order(case["exact"]), tally)
    assert tally.nine_in_ten(), tally


def in_order(exact: dict[str, Any]) -> dict[str, Any]:
    """The expected answer with `day_in_week` before `hour_in_day`, as answers have it."""
    stat = exact.get("timeframe_stat")
    return {**exact, "timeframe_stat": dict(sorted(stat.items()))} if stat else exact
