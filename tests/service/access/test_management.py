"""Records over HTTP for administrators, and what any token may ask about itself and the organizations that it sees."""

import json
from collections.abc import AsyncIterator
from time import time
from typing import Any

import pytest
import pytest_asyncio

from sidedata.calendar.reporting import newest_rules, process_sources
from sidedata.ingest.worker.listing import fill_list
from sidedata.schema import keys
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import application, session
from tests.support.redis.client import connect
from tests.support.redis.users import as_user, login

ADMIN = f"/api/admin/v1/orgs/{ORG}"
ACCESS = "/api/access/v1"


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation."""
    async with pipeline(redis_url, partitions=4) as opened:
        yield opened


async def ask(pipe: Pipeline, method: str, path: str, token: str, body: object = None) -> tuple[int, Any]:
    """Ask with a token; returns status and answer."""
    headers = {"Authorization": f"Token {token}"}
    async with pipe.http.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def new_token(pipe: Pipeline, *scopes: str, organization: str | None = ORG) -> str:
    """A token."""
    return (await create_token(as_user("operator", pipe.client), organization, scopes))[0]


@pytest.mark.holds("6.7", "7.4", "7.5")
async def test_an_organization_is_registered_and_renamed(pipe: Pipeline) -> None:
    """PUT answers what GET gives; absent fields stay as they are."""
    token = await new_token(pipe, "admin")
    assert (await ask(pipe, "GET", ADMIN, token))[0] == 404
    item = {"id": ORG, "name": "Acme \U0001f600", "time_zone": "UTC", "has_events": False, "zone_rules": None}
    assert await ask(pipe, "PUT", ADMIN, token, {"name": "Acme \U0001f600"}) == (200, item)
    item |= {
        "time_zone": "Europe/Helsinki",
        "zone_rules": newest_rules(process_sources().data(time()), "UTC", int(time())).release,
    }
    assert await ask(pipe, "PUT", f"{ADMIN}/", token, {"time_zone": "Europe/Helsinki"}) == (200, item)
    assert await ask(pipe, "GET", f"/api/admin/v1/orgs/{ORG.upper()}", token) == (200, item)
    await pipe.apply(view(await pipe.now()))
    item |= {"has_events": True, "name": None}
    assert await ask(pipe, "PUT", ADMIN, token, {"name": None, "time_zone": "Europe/Helsinki"}) == (200, item)
    assert (await ask(pipe, "PUT", ADMIN, token, {"time_zone": "Asia/Tokyo", "name": "Tokyo"}))[0] == 409
    assert await ask(pipe, "GET", ADMIN, token) == (200, item)


@pytest.mark.holds("7.4", "7.5")
async def test_a_workflow_is_registered_and_renamed(pipe: Pipeline) -> None:
    """The kind may be left out once it is fixed."""
    token = await new_token(pipe, "admin")
    path = f"{ADMIN}/workflows/{POPUP}"
    assert (await ask(pipe, "GET", path, token))[0] == 404
    status, problem = await ask(pipe, "PUT", path, token, {"name": "x"})
    assert (status, problem["errors"][0]["pointer"]) == (400, "/kind")
    item = {"id": POPUP, "kind": "interaction", "name": None, "last_event_at": None}
    assert await ask(pipe, "PUT", path, token, {"kind": "interaction"}) == (200, item)
    item["name"] = "Autumn"
    assert await ask(pipe, "PUT", path, token, {"name": "Autumn"}) == (200, item)
    assert (await ask(pipe, "PUT", path, token, {"kind": "page_navigation", "name": "x"}))[0] == 409
    of_all = await new_token(pipe, "admin", organization=None)
    upper = f"/api/admin/v1/orgs/{ORG.upper()}/workflows/{POPUP.upper()}/"
    assert await ask(pipe, "GET", upper, of_all) == (200, item)
    assert (await ask(pipe, "GET", f"{path}?x=1", token))[0] == 400


async def test_an_organization_with_workflows_alone_is_shown(pipe: Pipeline) -> None:
    """It has no record of its own, and is in the list of organizations all the same: UTC, and no events."""
    token = await new_token(pipe, "admin")
    assert (await ask(pipe, "PUT", f"{ADMIN}/workflows/{POPUP}", token, {"kind": "interaction"}))[0] == 200
    item = {"id": ORG, "name": None, "time_zone": "UTC", "has_events": False, "zone_rules": None}
    assert await ask(pipe, "GET", ADMIN, token) == (200, item)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"name": "\\ud83d"}', "half of a surrogate pair"),
        (b'{"\\ud83d": 1}', "half of a surrogate pair"),
        (b'{"name": "\xff"}', "the text is not UTF-8 at byte 11"),
        (b"{", "the text is not JSON at character 2"),
        (b"[]", "but an array"),
        (b"", "the text is not JSON"),
    ],
)
async def test_a_body_that_is_no_object_is_refused_in_words(pipe: Pipeline, body: bytes, words: str) -> None:
    """With the place of the mistake, and never a 500."""
    headers = {"Authorization": f"Token {await new_token(pipe, 'admin')}", "Content-Type": "application/json"}
    async with pipe.http.put(ADMIN, data=body, headers=headers) as response:
        assert response.status == 400
        assert words in (await response.json())["detail"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (ADMIN, {"zone": "UTC"}, "/zone"),
        (ADMIN, {"id": ORG}, "/id"),
        (ADMIN, {"time_zone": "Nope/Zone"}, "/time_zone"),
        (ADMIN, {"time_zone": None}, "/time_zone"),
        (ADMIN, {"name": 7}, "/name"),
        (ADMIN, {"name": "x" * 201}, "/name"),
        (f"{ADMIN}/workflows/{PAGES}", {"kind": "page"}, "/kind"),
        (f"{ADMIN}/workflows/{PAGES}", {"kind": "interaction", "last_event_at": None}, "/last_event_at"),
        (f"{ADMIN}/workflows/nothing", {"kind": "interaction"}, "/workflow_id"),
    ],
)
@pytest.mark.holds("7.5")
async def test_bad_fields_are_named(pipe: Pipeline, path: str, body: dict[str, Any], pointer: str) -> None:
    """And nothing is stored."""
    token = await new_token(pipe, "admin")
    status, problem = await ask(pipe, "PUT", path, token, body)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (400, [pointer])
    assert (await ask(pipe, "GET", ADMIN, token))[0] == 404


async def test_records_are_for_administrators(pipe: Pipeline) -> None:
    """Of the organization."""
    others = await new_token(pipe, "admin", organization=OTHER_ORG)
    for token in (await new_token(pipe, "reports", "ingest"), others):
        for method in ("GET", "PUT"):
            assert (await ask(pipe, method, ADMIN, token, {}))[0] == 403


@pytest.mark.holds("7.6")
async def test_a_token_tells_of_itself(pipe: Pipeline) -> None:
    """With whatever scopes; without a token it is a 401."""
    token = await new_token(pipe, "admin", "reports")
    status, answer = await ask(pipe, "GET", f"{ACCESS}/token", token)
    assert (status, {**answer, "id": ""}) == (
        200,
        {"id": "", "organization_id": ORG, "scopes": ["reports", "admin"], "expires_at": None},
    )
    assert (await ask(pipe, "GET", f"{ACCESS}/token", "sd_nobody"))[0] == 401
    assert (await ask(pipe, "GET", f"{ACCESS}/token?x=1", token))[0] == 400
    of_all = await new_token(pipe, "ingest", organization=None)
    assert (await ask(pipe, "GET", f"{ACCESS}/token/", of_all))[1]["organization_id"] is None


@pytest.mark.holds("7.6")
async def test_a_token_lists_the_organizations_that_it_sees(pipe: Pipeline) -> None:
    """By id, page by page; those of an installation older than the list are found by a worker's scan."""
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(30)]
    for one in ids[:20]:
        await pipe.organization("Europe/Helsinki", one)
    old = ids[20:]
    for one in old:
        await pipe.client.hset(keys.keyspace(pipe.partition(one)).organization(one), "timezone", "UTC")
    token = await new_token(pipe, "reports", organization=None)
    await fill_list(as_user("worker", pipe.client), pipe.installation)
    found: list[dict[str, Any]] = []
    path = f"{ACCESS}/orgs/?limit=7"
    while path:
        async with pipe.http.get(path, headers={"Authorization": f"Token {token}"}) as response:
            found += await response.json()
            path = response.headers.get("Link", "").partition("<")[2].partition(">")[0]
    assert [one["id"] for one in found] == ids
    assert found[0] == {"id": ids[0], "name": None, "time_zone": "Europe/Helsinki"}
    own = await new_token(pipe, "ingest")
    assert await ask(pipe, "GET", f"{ACCESS}/orgs", own) == (200, [{"id": ORG, "name": None, "time_zone": "UTC"}])
    assert (await ask(pipe, "GET", f"{ACCESS}/orgs?after=x", own))[0] == 400


async def test_events_put_an_organization_in_the_list(pipe: Pipeline) -> None:
    """With its first one."""
    await pipe.apply(view(await pipe.now()))
    token = await new_token(pipe, "reports", organization=None)
    assert [one["id"] for one in (await ask(pipe, "GET", f"{ACCESS}/orgs/", token))[1]] == [ORG]


# The service's rights in version 0.1.0, as its deploy/users.acl gave them.
RIGHTS_BEFORE = (
    *("%R~sd:{*}:*", "+get", "+mget", "+hget", "+hgetall", "+hmget", "+zrangebyscore", "+zrevrange", "+zscore"),
    "(~sd:{[0-9]}:events ~sd:{[0-9][0-9]}:events ~sd:{[0-9][0-9][0-9]}:events +xadd +xlen)",
    "(~sd:config +hgetall +hsetnx)",
    "(%R~sd:tokens +hget)",
    "(~sd:tokens:used +hget +hset)",
    "(~sd:rate:* +incr +expire)",
    "(~sd:* +eval +evalsha)",
    *("+ping", "+info", "+time", "+wait"),
    *("+command", "+asking", "+cluster|slots", "+cluster|shards", "+cluster|nodes", "+client|setname"),
)


@pytest.mark.holds("7.7")
async def test_missing_rights_are_named(pipe: Pipeline) -> None:
    """With the access rules of the version before reports go on, the new paths say which right is missing, readiness warns."""
    if (await pipe.client.info("server"))["redis_version"] < "7":
        pytest.skip("these access rules need Redis 7.0: %R~ and selectors")
    await pipe.apply(view(await pipe.now()))
    await pipe.client.execute_command("ACL", "SETUSER", "before", "on", ">x", "resetchannels", "-@all", *RIGHTS_BEFORE)
    client = connect(login(pipe.settings.redis_url, "before", "x"), timeout=5)
    token = await new_token(pipe, "reports", "ingest", "admin", organization=None)
    try:
        async with session(application(client, pipe.installation, pipe.settings), token) as http:
            day = (await pipe.now()).date().isoformat()
            interval = f"start={day}T00:00:00Z&end={day}T12:00:00Z"
            paths: list[tuple[str, str, object]] = [
                ("GET", f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/?{interval}", None),
                ("POST", f"/api/ingest/v1/orgs/{ORG}/events", [json.loads(view(await pipe.now()))]),
                ("GET", ADMIN, None),
                ("GET", f"/api/ingest/v1/orgs/{ORG}/dead-letters/", None),
                ("PUT", ADMIN, {"name": "x"}),
                ("PUT", f"{ADMIN}/workflows/{POPUP}", {"kind": "interaction"}),
                ("GET", f"{ACCESS}/orgs/", None),
            ]
            statuses = []
            for method, path, body in paths:
                async with http.request(method, path, json=body) as response:
                    statuses.append(response.status)
                    text = await response.text()
                    assert response.status != 503 or "users.acl" in text, text
            assert statuses == [200, 202, 200, 503, 503, 503, 503]
            async with http.get("/readyz") as response:
                assert response.status == 200
                checks = {check["name"]: check for check in (await response.json())["checks"]}
            assert checks["rights"]["status"] == "warning"
            assert "read dead letters" in checks["rights"]["detail"]
    finally:
        await client.aclose()
        await pipe.client.execute_command("ACL", "DELUSER", "before")
