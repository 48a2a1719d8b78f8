"""Whatever happens in whatever order, the answers are the brute-force oracle's: through streams, worker and service."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.support.oracle.oracle import Oracle
from tests.support.oracle.replay import run
from tests.support.redis.servers import RedisServer


@pytest.mark.holds("2.3.4", "4.2", "4.3", "4.4", "4.6", "4.7", "4.9", "4.11", "4.12")
def test_the_pipeline_equals_the_oracle(redis_server: RedisServer) -> None:
    """25 random worlds."""
    run(redis_server, 25)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_pipeline_equals_the_oracle_for_long(private_server: Callable[..., RedisServer]) -> None:
    """2,000 random worlds."""
    run(private_server(), 2_000)


def test_the_oracle_knows_what_the_contract_says() -> None:
    """The oracle itself, on a case that is worked out by hand: one visitor, a popup, a purchase 24 hours later."""
    base = {"organization_id": "0f4e2a6c-58b1-4f0e-9d55-0a6a4c1b7e01", "visitor_id": "v", "session_id": "s"}
    workflow = "22222222-0000-4000-8000-00000000000b"
    goal = {"uuid": "33333333-0000-4000-8000-00000000000d", "name": "System: Visitor purchased"}
    raws = [
        base | {"type": "interaction", "workflow_id": workflow, "timestamp": "2026-06-01T10:00:00Z", "id": "a"},
        base | {"type": "interaction", "workflow_id": workflow, "timestamp": "2026-06-01T09:00:00Z", "id": "a"},
        base | {"type": "goal_reached", "timestamp": "2026-06-02T13:00:00+03:00", "goal": goal,
                "purchase": {"value": "0.1", "currency": "EUR"}},
        base | {"type": "page_view", "workflow_id": workflow, "timestamp": "2026-06-01T10:00:00Z"},
    ]  # fmt: skip
    oracle = Oracle(partitions=1)
    now = datetime.fromisoformat("2026-06-02T12:00:00Z")
    for n, raw in enumerate(raws):
        entry_ms = int(now.timestamp() * 1000)
        oracle.arrive(json.dumps(raw).encode(), partition=0, entry_ms=entry_ms, entry=str(n), now=now)
    assert oracle.duplicates == 1
    assert [reason for reason, _ in oracle.dead] == ["workflow_kind_mismatch"]
    start, end = datetime.fromisoformat("2026-06-02"), datetime.fromisoformat("2026-06-02T10:01")
    answer, effective = oracle.answer(base["organization_id"], workflow, start, end, now)
    assert effective == "2026-06-02T00:00:00+00:00/2026-06-02T10:05:00+00:00"
    assert answer["unique_visitors_count"] == 0
    assert str(answer["visitor_purchase_sums"][0]["value"]) == "0.1"
    assert answer["affected_goals"][0]["metrics"]["events_count"] == 1
