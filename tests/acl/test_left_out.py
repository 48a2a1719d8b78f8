"""Rights of deploy/users.acl that an operator may leave out: the paths that need one answer 503 and name it, all others go on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from sidedata.ingest.worker.drain import drain
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, view
from tests.support.paths import DEPLOY
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import application, session
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import find_binary, version_text
from tests.support.redis.users import as_user, login, version

LETTERS = f"/api/ingest/v1/orgs/{ORG}/dead-letters/"
ADMIN = f"/api/admin/v1/orgs/{ORG}"
WORKFLOW = f"{ADMIN}/workflows/{POPUP}"
ORGANIZATIONS = "/api/access/v1/orgs/"

DEAD = "(%R~sd:{*}:dead %R~sd:{*}:dead:* +xrange +xrevrange)"
RECORDS = ("(~sd:{*}:organization:* ", "(~sd:{*}:workflows:* ", "(~sd:{*}:cursor +hincrby)")
LISTS = "(%R~sd:{*}:organization:ids +zrangebylex)"


def rights_of(user: str) -> Iterator[str]:
    """The rules of a user as the file gives them: a word, or a selector in parentheses."""
    lines = iter((DEPLOY / "users.acl").read_text(encoding="utf-8").splitlines())
    assert any(line.startswith(f"user {user} @password@ ") for line in lines)
    for line in lines:
        text = line.strip()
        if line.startswith("user "):
            return
        if text.startswith("("):
            yield text
        elif text and not text.startswith("#"):
            yield from text.split()


@pytest.fixture(autouse=True)
def selectors() -> None:
    """Skip where the server is too old for them."""
    if version(version_text(find_binary())) < (7, 0):
        pytest.skip("users.acl needs Redis 7.0: %R~ and selectors")


@asynccontextmanager
async def account(pipe: Pipeline, rules: list[str]) -> AsyncIterator[Client]:
    """A client with those rights."""
    await pipe.client.execute_command("ACL", "SETUSER", "limited", "on", ">x", "resetchannels", "-@all", *rules)
    client = connect(login(pipe.settings.redis_url, "limited", "x"), timeout=5)
    try:
        yield client
    finally:
        await client.aclose()
        await pipe.client.execute_command("ACL", "DELUSER", "limited")


async def answers(pipe: Pipeline, client: Client) -> tuple[dict[str, int], list[str]]:
    """The statuses of the management's paths by method and path, and the rights that refusals and readiness name."""
    token, _ = await create_token(as_user("operator", pipe.client), None, ["reports", "ingest", "admin"])
    requests: list[tuple[str, str, object]] = [
        ("GET", LETTERS, None),
        ("GET", ADMIN, None),
        ("PUT", ADMIN, {"name": "Acme"}),
        ("PUT", WORKFLOW, {"kind": "interaction"}),
        ("GET", ORGANIZATIONS, None),
        ("GET", f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/?{await hour(pipe)}", None),
    ]
    statuses: dict[str, int] = {}
    named: list[str] = []
    async with session(application(client, pipe.installation, pipe.settings), token) as http:
        for method, path, body in requests:
            async with http.request(method, path, json=body) as response:
                statuses[f"{method} {path.partition('?')[0]}"] = response.status
                named += await refusal(response)
        async with http.get("/readyz") as response:
            assert response.status == 200
            checks = {check["name"]: check for check in (await response.json())["checks"]}
    named.append(checks["rights"]["detail"])
    return statuses, named


async def refusal(response: aiohttp.ClientResponse) -> list[str]:
    """The detail of a 503."""
    if response.status != 503:
        return []
    problem: dict[str, Any] = await response.json()
    return [problem["detail"]]


async def hour(pipe: Pipeline) -> str:
    """The query of this hour."""
    now = await pipe.now()
    return f"start={now:%Y-%m-%dT%H:00:00Z}&end={now:%Y-%m-%dT%H:59:59Z}"


@pytest.mark.parametrize(
    ("left_out", "refused", "right"),
    [
        ((), (), ""),
        ((DEAD,), (f"GET {LETTERS}",), "read dead letters"),
        (RECORDS, (f"PUT {ADMIN}", f"PUT {WORKFLOW}"), "write records"),
        (RECORDS[:1], (f"PUT {ADMIN}", f"PUT {WORKFLOW}"), "write records"),
        (RECORDS[1:2], (f"PUT {ADMIN}", f"PUT {WORKFLOW}"), "write records"),
        (RECORDS[2:], (f"PUT {WORKFLOW}",), "write records"),
        ((LISTS,), (f"GET {ORGANIZATIONS}",), "read the lists of organizations"),
    ],
    ids=["none", "letters", "records", "hashes", "sorted sets", "cursor", "lists"],
)
async def test_a_service_without_a_right_answers_all_else(
    redis_url: str, left_out: tuple[str, ...], refused: tuple[str, ...], right: str
) -> None:
    """503 for the paths that need it, with the right's name; readiness warns; reports and all other paths go on."""
    async with pipeline(redis_url, partitions=4) as pipe:
        await pipe.apply(view(await pipe.now()), view("never"))
        everything = list(rights_of("service"))
        rules = [rule for rule in everything if not any(rule.startswith(beginning) for beginning in left_out)]
        assert len(rules) == len(everything) - len(left_out)
        async with account(pipe, rules) as client:
            statuses, named = await answers(pipe, client)
        assert {path for path, status in statuses.items() if status == 503} == set(refused), named
        assert {status for path, status in statuses.items() if path not in refused} == {200}
        assert all(right in text for text in named), named


@pytest.mark.holds("2.2.7")
async def test_letters_are_listed_though_the_worker_may_write_no_index(redis_url: str) -> None:
    """Its commits go on, and the list is searched."""
    async with pipeline(redis_url, partitions=4) as pipe:
        rules = [rule.replace(" ~sd:{*}:dead:*", "") for rule in rights_of("worker")]
        assert rules != list(rights_of("worker"))
        async with account(pipe, rules) as client:
            await pipe.push(view(await pipe.now()), view("never"))
            await drain(client, pipe.installation, pipe.settings, pipe.rulebook)
        async with pipe.http.get(LETTERS) as response:
            assert [letter["reason"] for letter in await response.json()] == ["invalid_event"]
        assert await pipe.visitors() == 1
