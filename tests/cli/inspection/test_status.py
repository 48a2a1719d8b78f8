"""`sidedata status`: an installation on one screen."""

import json

import redis

from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.processes.command_line import Sidedata

_LINES = 24


def fill(client: redis.Redis) -> None:
    """A backlog, a worker, and dead letters of two organizations and of none."""
    seconds, _ = client.time()
    client.xadd(keys.keyspace(3).events, {"event": "{}"}, id=f"{(seconds - 90) * 1000}-1")
    client.set(keys.keyspace(5).lease, "worker-a")
    client.zadd(keys.WORKERS, {"worker-a": seconds * 1000})
    for event in (
        f'{{"organization_id": "{ORG}", "type": "?"}}',
        f'{{"organization_id":"{ORG.upper()}"',
        f'{{"organization_id": "{OTHER_ORG}"}}',
        "no json",
    ):
        client.xadd(keys.keyspace(5).dead, {"reason": "invalid_event", "event": event})


def test_status_says_all_at_one_look(sidedata: Sidedata, redis_url: str) -> None:
    """Servers, workers, backlog, freshness, dead letters by organization and problems, as JSON and on a screen."""
    sidedata("inspect")
    with redis.Redis.from_url(redis_url) as client:
        fill(client)
    status = json.loads(sidedata("status", "--json", "--lease-ms", "1000").stdout)
    assert status["servers"][0]["product"] in ("Redis", "Valkey")
    assert (status["partitions"], status["partitions_owned"], status["lag_entries"]) == (16, 1, 1)
    assert 89 < status["lag_seconds"] < 200
    assert status["oldest_unapplied_at"] == status["as_of"]
    assert status["dead_letters"] == status["dead_letters_read"] == 4
    assert status["dead_letters_by_organization"] == {ORG: 2, OTHER_ORG: 1, "unknown": 1}
    assert status["problems"] == sum(finding["status"] in ("warning", "failed") for finding in status["findings"])
    lines = sidedata("status", "--lease-ms", "1000").stdout.splitlines()
    headings = [line.split("  ")[0] for line in lines if not line.startswith(" ")]
    assert headings == ["servers", "workers", "lag", "oldest event", "freshness", "dead letters", "doctor"]
    assert any(line.split() == ["2", ORG] for line in lines)
    assert any("leases" in line for line in lines)
    assert len(lines) <= _LINES, lines


def test_an_empty_installation_has_a_status(sidedata: Sidedata) -> None:
    """Nothing waits, and the numbers are as of now."""
    status = json.loads(sidedata("status", "--json", "--lease-ms", "1000").stdout)
    assert (status["oldest_unapplied_at"], status["dead_letters_by_organization"]) == (None, {})
    assert status["as_of"].endswith("Z")
