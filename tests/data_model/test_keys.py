"""The table in `sidedata.schema.keys` is the truth: it has every key function, and every key of a live Redis is in it."""

import inspect
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, bought, interaction, reached, started, triggered, view
from tests.support.pipeline import pipeline
from tests.support.repository.key_table import ENDLESS, PLACEHOLDERS, TYPES, Row, table

ARGUMENTS = {
    "partition": 3,
    "organization": ORG,
    "organization_id": ORG,
    "workflow_id": PAGES,
    "goal_id": PAGES,
    "level": "5min",
    "generation": 1,
    "layer": 0,
    "bucket": 7,
    "visitor_hash": "0a1b",
    "token_id": "0a1b",
    "second": 1,
    "now": 1,
    "start": 1_764_000_000,
    "run": "0a1b2c3d",
}


def functions() -> dict[str, Callable[..., str]]:
    """The functions of `sidedata.schema.keys` that name keys."""
    return {
        name: function
        for name, function in inspect.getmembers(keys, inspect.isfunction)
        if function.__module__ == keys.__name__
        and name not in {"partition_of", "prefix", "instant", "hour_field"}
        and name[0] != "_"
    }


def test_the_table_is_read() -> None:
    """The docstring has a table, of patterns that this test understands."""
    rows = table()
    assert len(rows) > 15
    for row in rows:
        assert set(re.findall(r"\{p\}|<\w+>", row.pattern)) <= set(PLACEHOLDERS), row
        assert row.type in TYPES, row
        assert row.pattern.startswith("sd:")


@pytest.mark.parametrize("name", sorted(functions()))
def test_every_key_function_is_in_the_table(name: str) -> None:
    """What a function names is a key of the table, or what keys of the table begin with."""
    function = functions()[name]
    made = function(*(ARGUMENTS[parameter] for parameter in inspect.signature(function).parameters))
    endings = ["", "visitors", "7"]
    assert any(row.matches(made + ending) for row in table() for ending in endings), made


@pytest.mark.parametrize("name", ["CONFIG", "TOKENS", "WORKERS"])
def test_every_key_constant_is_in_the_table(name: str) -> None:
    """Keys of no partition are in the table too."""
    assert getattr(keys, name) in {row.pattern for row in table()}


@pytest.mark.holds("2.1.8")
@pytest.mark.parametrize("row", table(), ids=lambda row: row.pattern)
def test_only_what_the_contract_lists_lives_for_ever(row: Row) -> None:
    """The table promises a life span to all keys but the contract's."""
    assert (row.pattern in ENDLESS) == (row.lives in {"for ever", "until applied"} or row.pattern == "sd:{p}:dead")


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
            await pipe.apply([*raws, b"7"], raws[1:3], b"{", organization=organization)
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
        # No process ran that has these: streams are empty, tokens unused, leases released.
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
        }
        assert unseen <= idle, unseen
