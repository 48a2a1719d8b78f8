"""`sidedata token`, `org`, `workflow` and `inspect`: what they store, print and refuse."""

import json
import time

import pytest
import redis

from sidedata.schema import keys
from sidedata.schema.installation import Installation
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import POPUP
from tests.support.processes.command_line import LIMIT_SECONDS, Sidedata, one_line


@pytest.mark.holds("7.3", "8.14")
def test_a_token_is_printed_alone(sidedata: Sidedata) -> None:
    """It is created, listed without its text, revoked by its id, and can't be revoked again."""
    created = sidedata("token", "create", "--org", ORG, "--scope", "reports", "--scope", "ingest")
    token = created.stdout.removesuffix("\n")
    assert token.startswith("sd_")
    assert token.isprintable()
    assert created.stderr == ""
    (listed,) = json.loads(sidedata("token", "list", "--json").stdout)
    assert (listed["organization"], listed["scopes"]) == (ORG, ["reports", "ingest"])
    assert token not in sidedata("token", "list").stdout
    assert listed["id"] in sidedata("token", "list").stdout
    assert sidedata("token", "revoke", listed["id"]).exit_code == 0
    again = sidedata("token", "revoke", listed["id"])
    assert again.exit_code == 1
    assert listed["id"] in one_line(again)


@pytest.mark.holds("8.14")
def test_a_token_can_end_by_itself_and_be_for_all(sidedata: Sidedata) -> None:
    """`--org all` and `--expires-days`."""
    before = time.time()
    assert sidedata("token", "create", "--org", "all", "--scope", "admin", "--expires-days", "3").exit_code == 0
    (listed,) = json.loads(sidedata("token", "list", "--json").stdout)
    assert listed["organization"] == "all"
    assert 3 * 86400 - 1 <= listed["expires_at"] - before <= 3 * 86400 + 60


@pytest.mark.parametrize(
    "arguments",
    [
        ["--org", "nobody", "--scope", "reports"],
        ["--org", ORG, "--scope", "everything"],
        ["--org", ORG, "--scope", "reports", "--expires-days", "0"],
        ["--org", ORG],
    ],
)
def test_a_token_without_sense_is_misuse(sidedata: Sidedata, arguments: list[str]) -> None:
    """Bad UUID, scope or duration: 2."""
    assert sidedata("token", "create", *arguments).exit_code == 2


def test_an_organization_is_named(sidedata: Sidedata) -> None:
    """With its zone or alone, and again; the zone stays. A name of 201 characters is misuse."""
    assert sidedata("org", "set", ORG, "--timezone", "Asia/Tokyo", "--name", "Shop").exit_code == 0
    assert sidedata("org", "set", ORG, "--name", "Böckerna & co").exit_code == 0
    assert sidedata("org", "set", ORG, "--name", "x" * 201).exit_code == 2
    shown = sidedata("org", "show", ORG).stdout
    assert "name          Böckerna & co\n" in shown
    assert "Asia/Tokyo" in shown
    assert "Böckerna & co" in sidedata("org", "list").stdout


def test_an_organization_is_set_and_shown(sidedata: Sidedata) -> None:
    """Unknown: 1. Set: shown for people and as JSON. No such zone or UUID: 2."""
    assert sidedata("org", "show", ORG).exit_code == 1
    assert sidedata("org", "set", ORG, "--timezone", "Europe/Helsinki").exit_code == 0
    assert "Europe/Helsinki" in sidedata("org", "show", ORG).stdout
    shown = json.loads(sidedata("org", "show", ORG, "--json").stdout)
    release = shown.pop("zone_rules")
    assert shown.pop("zone_table").startswith(f"{release} Europe/Helsinki; ")
    assert shown.pop("machine_zone_data") == release
    assert shown == {
        "name": None,
        "id": ORG,
        "timezone": "Europe/Helsinki",
        "has_events": False,
    }
    assert sidedata("org", "set", ORG, "--timezone", "Helsinki").exit_code == 2
    assert sidedata("org", "set", "nobody", "--timezone", "UTC").exit_code == 2


@pytest.mark.holds("8.15")
def test_a_workflow_is_set_and_shown(sidedata: Sidedata) -> None:
    """Unknown: 1. Another kind: 1, in one line. No such kind: 2."""
    assert sidedata("workflow", "show", ORG, POPUP).exit_code == 1
    named = ["--kind", "interaction", "--name", "Wähl [mal]"]
    assert sidedata("workflow", "set", ORG, POPUP, *named).exit_code == 0
    assert "Wähl [mal]" in sidedata("workflow", "show", ORG, POPUP).stdout
    assert json.loads(sidedata("workflow", "show", ORG, POPUP, "--json").stdout) == {
        "id": POPUP,
        "organization": ORG,
        "kind": "interaction",
        "name": "Wähl [mal]",
        "last_event_us": None,
    }
    refused = sidedata("workflow", "set", ORG, POPUP, "--kind", "page_navigation")
    assert refused.exit_code == 1
    assert "a kind is fixed" in one_line(refused)
    assert sidedata("workflow", "set", ORG, POPUP, "--kind", "form").exit_code == 2
    assert sidedata("workflow", "set", ORG, "nothing", "--kind", "interaction").exit_code == 2


@pytest.mark.holds("8.1")
def test_workflows_are_listed(sidedata: Sidedata) -> None:
    """With id, kind, last event and name; a name may be set alone once the kind is fixed, before that it is misuse."""
    assert "has no workflows" in sidedata("workflow", "list", ORG).stderr
    assert sidedata("workflow", "set", ORG, POPUP, "--name", "early").exit_code == 2
    assert sidedata("workflow", "set", ORG, POPUP, "--kind", "interaction").exit_code == 0
    assert sidedata("workflow", "set", ORG, POPUP, "--name", "late").exit_code == 0
    assert json.loads(sidedata("workflow", "list", ORG, "--json").stdout) == [
        {"id": POPUP, "kind": "interaction", "name": "late", "last_event_us": None}
    ]
    heading, row = sidedata("workflow", "list", ORG).stdout.splitlines()
    assert heading.split() == ["id", "kind", "last", "event", "name"]
    assert row.split() == [POPUP, "interaction", "none", "late"]
    assert sidedata("workflow", "list", "nobody").exit_code == 2


@pytest.mark.holds("8.1")
def test_organizations_are_listed(sidedata: Sidedata, redis_url: str) -> None:
    """By id, with zone, events and name; an organization that has workflows alone is there, too."""
    assert "no organizations" in sidedata("org", "list").stderr
    sidedata("workflow", "set", OTHER_ORG, POPUP, "--kind", "interaction")
    sidedata("org", "set", ORG, "--timezone", "Europe/Helsinki")
    with redis.Redis.from_url(redis_url) as client:
        record = keys.keyspace(Installation(16).partition_of(ORG)).organization(ORG)
        client.hset(record, mapping={"has_events": "1", "name": "Shop"})
    listed = json.loads(sidedata("org", "list", "--json").stdout)
    assert listed == sorted(listed, key=lambda organization: organization["id"])
    for organization in listed:
        assert (organization.pop("zone_rules") is None) == (organization["id"] == OTHER_ORG)
    assert {"id": ORG, "timezone": "Europe/Helsinki", "has_events": True, "name": "Shop"} in listed
    assert {"id": OTHER_ORG, "timezone": "UTC", "has_events": False, "name": None} in listed
    rows = [line.split() for line in sidedata("org", "list").stdout.splitlines()]
    assert [ORG, "Europe/Helsinki", "yes", "Shop"] in rows
    assert [OTHER_ORG, "UTC", "no"] in rows


@pytest.mark.holds("8.19")
def test_inspect_sums_up(sidedata: Sidedata, redis_url: str) -> None:
    """Entries, letters, partitions and live workers, as JSON and as a table with a line for each partition."""
    with redis.Redis.from_url(redis_url) as client:
        seconds, _ = client.time()
        for partition, entries in ((0, 3), (5, 4)):
            for _ in range(entries):
                client.xadd(keys.keyspace(partition).events, {"event": "{}"})
        client.xadd(keys.keyspace(5).dead, {"reason": "invalid_json"})
        client.hset(keys.keyspace(5).cursor, mapping={"events": 77})
        client.set(keys.keyspace(5).lease, "worker-a")
        client.zadd(keys.WORKERS, {"worker-a": seconds * 1000, "long-gone": seconds * 1000 - 60_000})
    overview = json.loads(sidedata("inspect", "--json").stdout)
    wanted = {"lag_entries": 7, "dead_letters": 1, "partitions": 16, "workers": 1, "events_applied": 77}
    assert {name: overview[name] for name in wanted} == wanted
    lines = sidedata("inspect").stdout.splitlines()
    row = next(line for line in lines if "worker-a" in line)
    lag = row.split()[3]
    assert 0 <= float(lag) < LIMIT_SECONDS
    assert row.split() == ["5", "worker-a", "4", lag, "77", "1"]
    assert sum("none" in line for line in lines) == 15
