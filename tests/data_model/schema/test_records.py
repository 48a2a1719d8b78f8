"""Records of organizations and workflows: what events have fixed stays, and workers learn of every change."""

import asyncio

import pytest

from sidedata.errors import StopError, UsageError
from sidedata.reads.records import read_organization, read_workflow
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.schema.keys import keyspace
from sidedata.schema.records import OrganizationRecord, WorkflowRecord, parse_uuid
from sidedata.writes.records import set_organization, set_workflow
from tests.support.constants import ORG
from tests.support.events import POPUP
from tests.support.redis.client import Client

INSTALLATION = Installation(16)
PARTITION = INSTALLATION.partition_of(ORG)


async def changes(client: Client) -> int:
    """The number that tells workers to read records again."""
    return int(await client.hget(keys.keyspace(PARTITION).cursor, "records") or 0)


@pytest.mark.holds("1.0.1")
async def test_an_organization_has_the_zone_that_was_set(client: Client) -> None:
    """It can be set again while there are no events; each time the workers' cached records become stale."""
    assert await read_organization(client, keyspace(PARTITION), ORG) is None
    for number, zone in enumerate(["Europe/Helsinki", "Asia/Kathmandu"], 1):
        await set_organization(client, INSTALLATION, ORG.upper(), zone)
        record = await read_organization(client, keyspace(PARTITION), ORG)
        assert record is not None
        assert record.zone_rules is not None
        assert f" {zone}; " in record.zone_rules
        assert record == OrganizationRecord(id=ORG, timezone=zone, has_events=False, zone_rules=record.zone_rules)
        assert await changes(client) == number


@pytest.mark.holds("8.15")
async def test_the_zone_is_fixed_by_events(client: Client) -> None:
    """Another zone is refused with the remedy in the text and without any change; the same zone is fine."""
    await client.hset(keys.keyspace(PARTITION).organization(ORG), mapping={"timezone": "Asia/Tokyo", "has_events": "1"})
    with pytest.raises(StopError, match="Asia/Tokyo is fixed; `sidedata purge` frees it"):
        await set_organization(client, INSTALLATION, ORG, "Europe/Helsinki")
    assert await changes(client) == 0
    await set_organization(client, INSTALLATION, ORG, "Asia/Tokyo")
    assert await read_organization(client, keyspace(PARTITION), ORG) == OrganizationRecord(
        id=ORG, timezone="Asia/Tokyo", has_events=True
    )


@pytest.mark.holds("1.0.1")
async def test_events_without_a_record_fix_utc(client: Client) -> None:
    """Where no zone was ever set the events are in UTC."""
    await client.hset(keys.keyspace(PARTITION).organization(ORG), "has_events", "1")
    with pytest.raises(StopError, match="UTC"):
        await set_organization(client, INSTALLATION, ORG, "Europe/Helsinki")


async def test_a_workflow_is_registered(client: Client) -> None:
    """It is shown and listed, without an event; its name can change, and no name leaves the one that it has."""
    assert await read_workflow(client, keyspace(PARTITION), ORG, POPUP) is None
    name = "Hilfe bei der Wahl \N{WHITE SMILING FACE} [a]"
    await set_workflow(client, INSTALLATION, ORG, POPUP.upper(), "interaction", name)
    await set_workflow(client, INSTALLATION, ORG, POPUP, "interaction")
    assert await read_workflow(client, keyspace(PARTITION), ORG, POPUP) == WorkflowRecord(
        id=POPUP, organization=ORG, kind="interaction", name=name, last_event_us=None
    )
    assert await client.zscore(keys.keyspace(PARTITION).workflows(ORG), POPUP) == 0
    await set_workflow(client, INSTALLATION, ORG, POPUP, "interaction", "")
    shown = await read_workflow(client, keyspace(PARTITION), ORG, POPUP)
    assert shown is not None
    assert shown.name == ""
    assert await changes(client) == 3


async def test_registering_keeps_the_time_of_the_newest_event(client: Client) -> None:
    """A workflow that events have made keeps what they have noted."""
    await client.hset(keys.keyspace(PARTITION).workflow(ORG, POPUP), mapping={"kind": "interaction", "revision": "7"})
    await client.zadd(keys.keyspace(PARTITION).workflows(ORG), {POPUP: 1_700_000_000_123_456})
    await set_workflow(client, INSTALLATION, ORG, POPUP, "interaction", "late")
    assert await read_workflow(client, keyspace(PARTITION), ORG, POPUP) == WorkflowRecord(
        id=POPUP,
        organization=ORG,
        kind="interaction",
        name="late",
        last_event_us=1_700_000_000_123_456,
    )


@pytest.mark.holds("2.0.12")
async def test_a_kind_is_fixed(client: Client) -> None:
    """Another kind is refused, and nothing changes."""
    await set_workflow(client, INSTALLATION, ORG, POPUP, "interaction", "first")
    with pytest.raises(StopError, match="of kind interaction"):
        await set_workflow(client, INSTALLATION, ORG, POPUP, "page_navigation", "second")
    shown = await read_workflow(client, keyspace(PARTITION), ORG, POPUP)
    assert shown is not None
    assert (shown.kind, shown.name) == ("interaction", "first")
    assert await changes(client) == 1


async def test_of_two_kinds_at_once_one_wins(client: Client) -> None:
    """However many register a workflow at the same time, those with the other kind than the first are refused."""
    kinds = ["interaction", "page_navigation"] * 20
    results = await asyncio.gather(
        *(set_workflow(client, INSTALLATION, ORG, POPUP, kind) for kind in kinds), return_exceptions=True
    )
    assert sum(isinstance(result, StopError) for result in results) == 20
    assert await changes(client) == 20


@pytest.mark.holds("1.0.11")
@pytest.mark.parametrize("bad", ["", "x", ORG + "\n", ORG.replace("-", ""), "{" + ORG + "}"])
async def test_what_is_no_uuid_is_misuse(client: Client, bad: str) -> None:
    """A UUID has 36 characters; nothing else is taken for one."""
    with pytest.raises(UsageError):
        await set_organization(client, INSTALLATION, bad, "UTC")
    with pytest.raises(UsageError):
        await set_workflow(client, INSTALLATION, ORG, bad, "interaction")
    with pytest.raises(UsageError):
        parse_uuid(bad)
    assert await client.dbsize() == 0


@pytest.mark.parametrize("zone", ["", "Helsinki", "europe/helsinki", "../etc/passwd", "\udcff"])
async def test_what_is_no_zone_is_misuse(client: Client, zone: str) -> None:
    """Zones are IANA names as they are written."""
    with pytest.raises(UsageError, match="no such time zone"):
        await set_organization(client, INSTALLATION, ORG, zone)


async def test_kind_and_name_are_checked(client: Client) -> None:
    """Two kinds, 200 characters, text."""
    with pytest.raises(UsageError, match="no such kind"):
        await set_workflow(client, INSTALLATION, ORG, POPUP, "form")
    for name in ("x" * 201, "\udcff"):
        with pytest.raises(UsageError, match="200 characters"):
            await set_workflow(client, INSTALLATION, ORG, POPUP, "interaction", name)
    await set_workflow(client, INSTALLATION, ORG, POPUP, "interaction", "ä" * 200)
