"""The table in `sidedata.schema.table` is the truth: it has every key function, and every key of a live Redis is in it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import bought, interaction, reached, started, triggered, view
from tests.support.pipeline import pipeline
from tests.support.repository.key_table import ENDLESS, PLACEHOLDERS, TYPES, Row, table


@pytest.mark.holds("2.1.8")
@pytest.mark.parametrize("row", table(), ids=lambda row: row.pattern)
def test_only_what_the_contract_lists_has_no_ttl(row: Row) -> None:
    """The table promises a TTL for all keys but the contract's, and tests understand its patterns and types."""
    assert (row.pattern in ENDLESS) == row.endless
    assert set(re.findall(r"\{p\}|<\w+>", row.pattern)) <= set(PLACEHOLDERS)
    assert row.type in TYPES
    assert row.pattern.startswith("sd:")


@pytest.mark.holds("2.1.7", "2.1.8")
async def test_live_keys_are_those_of_the_table(redis_url: str) -> None:
    """After events of all types and ages, applied and refused, every key matches one row, has its type, and a TTL if it must."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await pipe.organization("Asia/Kathmandu")
        await pipe.organization("Australia/Lord_Howe", OTHER_ORG)
        ages = [timedelta(minutes=10), timedelta(days=3), timedelta(days=36), timedelta(days=300)]
        makers: list[Callable[..., bytes]] = [view, started, interaction, triggered, reached]
        for organization in (ORG, OTHER_ORG):
            raws = [
                make(now - age, organization_id=organization, id=f"{n}-{age}")
                for n, make in enumerate(makers)
                for age in ages
            ]
            raws += [bought(now - age, "1.5", organization_id=organization) for age in ages]
            await pipe.apply(
                [*raws, b"7"], raws[1:3], b"{", view("never", organization_id=organization), organization=organization
            )
        rows = table()
        seen = set()
        async for raw in pipe.client.scan_iter():
            key = raw.decode()
            matching = [row for row in rows if row.matches(key)]
            assert len(matching) == 1, f"{key} is of {[row.pattern for row in matching]}"
            row = matching[0]
            seen.add(row.pattern)
            assert (await pipe.client.type(key)).decode() == TYPES[row.type]
            assert (await pipe.client.ttl(key) == -1) == (row.pattern in ENDLESS), key
        unseen = {row.pattern for row in rows} - seen
        # No process ran that has the first ones: streams are empty, tokens unused, leases released.
        idle = {
            "sd:tokens",
            "sd:tokens:used",
            "sd:workers",
            "sd:rate:<token>:<second>",
            "sd:{p}:lease",
            "sd:{p}:events",
            "sd:{p}:dead:anew",
            "sd:{p}:rebuild:<run>:<key>",
            "sd:{p}:swap:<run>",
            # These come with the hundred thousandth id of a day.
            "sd:{p}:ids:<generation>:fingerprints:<n>",
            "sd:{p}:ids:<generation>:filter:<n>",
        }
        assert unseen <= idle, unseen
