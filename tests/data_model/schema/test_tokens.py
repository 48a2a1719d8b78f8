"""Tokens: shown once, stored hashed, found by one look-up, listed, revoked, ended by time."""

import time

import pytest

from sidedata.errors import StopError, UsageError
from sidedata.reads.tokens import find_token, list_tokens
from sidedata.schema import keys
from sidedata.writes.tokens import create_token, revoke_token
from tests.support.constants import ORG, OTHER_ORG
from tests.support.redis.client import Client
from tests.support.redis.users import as_user


@pytest.mark.holds("7.2")
async def test_a_token_is_found_with_what_it_allows(client: Client) -> None:
    """Its record names organization, scopes and name; the UUID is stored in lower case."""
    token, record = await create_token(as_user("operator", client), ORG.upper(), ["ingest", "reports"], name="tills")
    assert token.startswith("sd_")
    assert await find_token(as_user("service", client), token) == record
    assert (record.organization, record.scopes, record.name) == (ORG, ("reports", "ingest"), "tills")
    assert record.concerns(ORG)
    assert not record.concerns(OTHER_ORG)
    assert record.allows("ingest")
    assert not record.allows("admin")


@pytest.mark.holds("7.2")
async def test_a_token_of_all_organizations_concerns_each(client: Client) -> None:
    """None stands for all."""
    _, record = await create_token(as_user("operator", client), None, ["admin"])
    assert record.organization == "all"
    assert record.concerns(ORG)


@pytest.mark.holds("7.3")
async def test_redis_never_sees_the_token(client: Client) -> None:
    """Neither the text nor anything that it could be made from is stored."""
    token, _ = await create_token(as_user("operator", client), ORG, ["reports"])
    dump = repr(await client.hgetall(keys.TOKENS))
    assert token not in dump
    assert token.removeprefix("sd_") not in dump


@pytest.mark.parametrize(
    "token", ["", "sd_", "sd_" + "x" * 43, "sd_" + "x" * 44, "sd_" + "ä" * 43, "\udcff" * 46, "sd_" + "x" * 43 + "\n"]
)
async def test_what_is_no_token_is_unknown(client: Client, token: str) -> None:
    """Any text can stand in a header; none of it is an error."""
    assert await find_token(as_user("service", client), token) is None


async def test_a_revoked_token_is_unknown(client: Client) -> None:
    """Revoking takes the public id, leaves the others alone, and says whether there was such a token."""
    token, record = await create_token(as_user("operator", client), ORG, ["reports"])
    kept, _ = await create_token(as_user("operator", client), ORG, ["reports"])
    assert await revoke_token(as_user("operator", client), record.id)
    assert not await revoke_token(as_user("operator", client), record.id)
    assert await find_token(as_user("service", client), token) is None
    assert await find_token(as_user("service", client), kept) is not None


async def test_an_expired_token_is_unknown_but_listed(client: Client) -> None:
    """At its end it stops working; the list still shows it."""
    end = time.time() + 3600
    token, record = await create_token(as_user("operator", client), ORG, ["reports"], expires_at=end)
    assert await find_token(as_user("service", client), token, now=end - 0.001) == record
    assert await find_token(as_user("service", client), token, now=end) is None
    assert await list_tokens(as_user("operator", client)) == [record]


async def test_the_list_is_oldest_first(client: Client) -> None:
    """All tokens are in it."""
    made = [
        (await create_token(as_user("operator", client), None, ["reports"], name=str(number)))[1] for number in range(5)
    ]
    assert await list_tokens(as_user("operator", client)) == made


@pytest.mark.parametrize(
    ("organization", "scopes", "expires_at", "name"),
    [
        ("nobody", ["reports"], None, ""),
        (ORG, [], None, ""),
        (ORG, ["reports", "everything"], None, ""),
        (ORG, ["reports"], 1.0, ""),
        (ORG, ["reports"], None, "x" * 201),
        (ORG, ["reports"], None, "\udcff"),
    ],
)
async def test_nonsense_makes_no_token(
    client: Client, organization: str, scopes: list[str], expires_at: float | None, name: str
) -> None:
    """Wrong arguments are refused before anything is stored."""
    with pytest.raises(UsageError):
        await create_token(as_user("operator", client), organization, scopes, expires_at, name)
    assert not await client.exists(keys.TOKENS)


async def test_a_record_of_a_newer_version_is_read(client: Client) -> None:
    """Fields that this version doesn't know are left aside; what is no record at all stops the process."""
    token, record = await create_token(as_user("operator", client), None, ["reports"])
    (field,) = await client.hkeys(keys.TOKENS)
    stored = await client.hget(keys.TOKENS, field)
    await client.hset(keys.TOKENS, field, stored[:-1] + b',"colour":"green"}')
    assert await find_token(as_user("service", client), token) == record
    await client.hset(keys.TOKENS, field, b"{}")
    with pytest.raises(StopError, match="can't be read"):
        await find_token(as_user("service", client), token)
