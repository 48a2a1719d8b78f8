"""Tokens at the service's door: which pass, for how long they are remembered, how often they may knock."""

import asyncio

import pytest

from sidedata.reads.tokens import find_token
from sidedata.service.http import token_cache
from sidedata.writes.tokens import create_token, revoke_token
from tests.support.constants import ORG, OTHER_ORG
from tests.support.processes.service import EVENTS, NOW, QUERY, SIDEDATA, WORKFLOWS, world

PATH = f"{SIDEDATA}?{QUERY}"


@pytest.mark.holds("7.1")
@pytest.mark.parametrize("scheme", ["Token", "Bearer", "token", "BEARER"])
async def test_both_schemes_in_any_case(scheme: str) -> None:
    """`Token` and `Bearer` mean the same."""
    async with world() as ours:
        heard = await ours.ask("GET", PATH, token=None, headers={"Authorization": f"{scheme} {ours.token}"})
    assert heard.status == 200


@pytest.mark.holds("7.2", "6.4")
@pytest.mark.parametrize(
    ("scopes", "reports", "ingest"),
    [(("reports",), 200, 403), (("ingest",), 403, 202), (("admin",), 403, 403), (("reports", "ingest"), 200, 202)],
)
async def test_a_token_does_what_its_scopes_say(scopes: tuple[str, ...], reports: int, ingest: int) -> None:
    """No scope includes another."""
    async with world() as ours:
        token = await ours.new_token(ORG, scopes)
        read = await ours.ask("GET", PATH, token=token)
        written = await ours.ask("POST", EVENTS, json=[], token=token)
    assert (read.status, written.status) == (reports, ingest)


@pytest.mark.holds("7.2")
async def test_a_token_for_all_organizations_passes_everywhere() -> None:
    """`all` needs no organization's name."""
    async with world() as ours:
        token = await ours.new_token(None)
        heard = await ours.ask("GET", WORKFLOWS.replace(ORG, OTHER_ORG), token=token)
    assert heard.status == 200


@pytest.mark.holds("7.3")
async def test_a_revoked_token_stops_within_seconds() -> None:
    """It may be remembered for two seconds and no longer."""
    async with world() as ours:
        token, record = await create_token(ours.client, ORG, ["reports"])
        assert (await ours.ask("GET", PATH, token=token)).status == 200
        await revoke_token(ours.client, record.id)
        ours.clock.set(NOW + 2)
        assert (await ours.ask("GET", PATH, token=token)).status == 401


async def test_a_token_that_was_just_made_passes_at_once() -> None:
    """That a token is unknown is not remembered."""
    async with world() as ours:
        text, record = await create_token(ours.client, ORG, ["reports"])
        stored = await ours.client.hgetall("sd:tokens")
        field = next(name for name, value in stored.items() if record.id.encode() in value)
        await ours.client.hdel("sd:tokens", field)
        assert (await ours.ask("GET", PATH, token=text)).status == 401
        await ours.client.hset("sd:tokens", field, stored[field])
        assert (await ours.ask("GET", PATH, token=text)).status == 200


async def test_concurrent_requests_share_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty requests at once with one token ask Redis once."""
    looked = 0
    find = find_token

    async def counted(*arguments: object) -> object:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0)
        return await find(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(token_cache, "find_token", counted)
    async with world() as ours:
        heard = await asyncio.gather(*(ours.ask("GET", PATH) for _ in range(50)))
    assert {answer.status for answer in heard} == {200}
    assert looked == 1


@pytest.mark.holds("6.8")
async def test_a_rate_limit_holds_for_each_token_and_second() -> None:
    """A request over the limit gets a 429 with `Retry-After`; the next second is free."""
    async with world(rate_limit=3) as ours:
        other = await ours.new_token()
        statuses = [(await ours.ask("GET", PATH)).status for _ in range(5)]
        refused = await ours.ask("GET", PATH)
        elsewhere = await ours.ask("GET", PATH, token=other)
        keys = await ours.client.keys("sd:rate:*")
        ttls = [await ours.client.ttl(key) for key in keys]
        ours.clock.set(NOW + 1)
        later = await ours.ask("GET", PATH)
    assert statuses == [200, 200, 200, 429, 429]
    assert refused.headers["Retry-After"] == "1"
    assert (elsewhere.status, later.status) == (200, 200)
    assert ttls
    assert all(0 < left <= 2 for left in ttls)
