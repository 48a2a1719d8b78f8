"""Who gets in, over several processes: tokens, rates, last uses, and what none of them may give away."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from store import keys, tokens
from store.cli.command_line import without
from store.cli.tokens import token as token_command
from store.client import Client, connect
from store.settings import Settings
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, view
from tests.support.pipeline import pipeline
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user, login
from tests.support.service import QUERY, SIDEDATA, WORKFLOWS, World, world
from tests.support.serving import address, serving

PASSWORD = "pass-42-word"  # noqa: S105 - of a server that lives for one test
INSTALLATION_SECRET = "installation-secret-4711"  # noqa: S105 - the same


_OF_THE_TEST = {"cmdstat_info", "cmdstat_config", "cmdstat_config|resetstat"}


@asynccontextmanager
async def two_services(url: str, **variables: str) -> AsyncIterator[list[str]]:
    """Two service processes on one Redis, their addresses."""
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(serving(url, **variables)) for _ in range(2)]
        yield [await address(process) for process in processes]


async def status(http: aiohttp.ClientSession, base: str, token: str, path: str = WORKFLOWS) -> int:
    """What a question comes to."""
    async with http.get(base + path, headers={"Authorization": f"Token {token}"}) as answer:
        return answer.status


async def test_a_revoked_token_stops_on_every_process(client: Client, redis_url: str) -> None:
    """Busy or idle, each process refuses it within 5 seconds of the revocation; so it does one that has expired."""
    operator = as_user("operator", client)
    async with two_services(redis_url) as bases, aiohttp.ClientSession() as http:
        token, record = await tokens.create(operator, ORG, ["reports"])
        short, _ = await tokens.create(operator, ORG, ["reports"], expires_at=record.created_at + 4)
        for base in bases:
            assert [await status(http, base, key) for key in (token, short)] == [200, 200]
        await tokens.revoke(operator, record.id)
        began = asyncio.get_running_loop().time()
        working = {(base, key) for base in bases for key in (token, short)}
        while working:
            for base, key in list(working):
                if await status(http, base, key) == 401:
                    working.remove((base, key))
            assert asyncio.get_running_loop().time() - began < 5, working
            await asyncio.sleep(0.02)


async def test_a_rate_limit_holds_over_processes(client: Client, redis_url: str) -> None:
    """Two processes together let no more through than one would."""
    token, _ = await tokens.create(as_user("operator", client), ORG, ["reports"])
    async with two_services(redis_url, SIDEDATA_RATE_LIMIT="10") as bases, aiohttp.ClientSession() as http:
        began = int(asyncio.get_running_loop().time())
        passed = [await asyncio.gather(*(status(http, base, token) for base in bases * 40))]
        seconds = int(asyncio.get_running_loop().time()) - began + 2  # begun ones count whole
    assert {200, 429} <= set(passed[0]) <= {200, 429, 503}  # on a machine with other work a look-up may take too long
    assert passed[0].count(200) <= 10 * seconds


async def test_a_last_use_is_written_once_a_minute(client: Client) -> None:
    """However often and by however many a token is used; the list shows it, and a revocation takes it along."""
    _, record = await tokens.create(as_user("operator", client), ORG, ["reports"], name="tills")
    _, unused = await tokens.create(as_user("operator", client), ORG, ["reports"])
    noted = [await tokens.note_use(client, record.id, 1_000.9 + step) for step in (0, 1, 59, 60, -30)]
    assert noted == [True, False, False, True, False]
    assert {one.id: one.used_at for one in await tokens.list_all(as_user("operator", client))} == {
        record.id: 1_060.0,
        unused.id: None,
    }
    await tokens.revoke(as_user("operator", client), record.id)
    assert not await client.exists(keys.TOKENS_USED)


async def test_requests_note_the_use_of_their_token() -> None:
    """Once a minute, in the background."""
    async with world() as ours:
        for moment in (0, 3, 59, 61):
            ours.clock.set(1_795_471_200.0 + moment)
            assert (await ours.ask("GET", f"{SIDEDATA}?{QUERY}")).status == 200
            (record,) = await listed(ours)
            assert record.used_at == 1_795_471_200.0 + (61 if moment > 60 else 0)


async def listed(ours: World) -> list[tokens.TokenRecord]:
    """All tokens, once what runs in the background is done."""
    async with asyncio.timeout(5):
        notes = [task for task in asyncio.all_tasks() if "_write_note" in repr(task)]
        await asyncio.gather(*notes)
    return await tokens.list_all(ours.client)


async def test_a_service_that_may_only_read_answers_all_the_same(client: Client, redis_url: str) -> None:
    """It has no last uses, and nobody notices."""
    if (await client.info("server"))["redis_version"] < "7":
        pytest.skip("rights to read only can be given from Redis 7.0 on")
    token, _ = await tokens.create(as_user("operator", client), ORG, ["reports"])
    await client.acl_setuser("reader", enabled=True, nopass=True, commands=["+@all"], keys=[], reset=True)
    await client.execute_command("ACL", "SETUSER", "reader", "%R~sd:*")
    reader = connect(login(redis_url, "reader", "x"), timeout=5)
    try:
        async with world(reader_only(reader)) as ours:
            heard = await ours.ask("GET", f"{SIDEDATA}?{QUERY}", token=token)
            assert heard.status == 200
            assert not await client.exists(keys.TOKENS_USED)
    finally:
        await reader.aclose()
        await client.execute_command("ACL", "DELUSER", "reader")


def reader_only(reader: Client) -> Client:
    """The same client, but the world's own token, which it makes at its start, goes nowhere."""

    async def hset(*_: object) -> int:
        return 1

    reader.hset = hset
    return reader


@pytest.mark.parametrize("expiry", [[], ["--expires-days", "30"]])
def test_the_command_line_lists_last_uses(redis_url: str, expiry: list[str]) -> None:
    """`token list` has a column for it, and its JSON a field."""
    runner = CliRunner(env={"SIDEDATA_REDIS_URL": as_user("operator", redis_url), "COLUMNS": "300"})
    made = runner.invoke(token_command, ["create", "--org", "all", "--scope", "reports", *expiry])
    assert made.exit_code == 0, made.output
    assert made.stdout.strip().startswith("sd_")
    shown = runner.invoke(token_command, ["list"]).output
    assert "last used" in shown
    assert made.stdout.strip() not in shown
    (record,) = json.loads(runner.invoke(token_command, ["list", "--json"]).output)
    assert record["used_at"] is None
    assert (record["expires_at"] is None) == (not expiry)


async def test_a_token_learns_nothing_of_another_organization(redis_url: str) -> None:
    """What exists elsewhere and what exists nowhere are refused in the same words and headers, and by the same work."""
    nowhere = "ffffffff-ffff-4fff-8fff-ffffffffffff"
    async with pipeline(redis_url) as pipe:
        await pipe.apply(view(await pipe.now()))  # of pipeline's own organization
        mine, _ = await tokens.create(pipe.client, OTHER_ORG, ["reports", "ingest"])
        headers = {"Authorization": f"Token {mine}"}
        org, other = "0f4e2a6c-58b1-4f0e-9d55-0a6a4c1b7e01", nowhere
        root = "/api/reporting/workflow/v1/orgs"
        pairs = [
            (f"{root}/{org}/workflows", f"{root}/{other}/workflows"),
            (f"{root}/{org}/workflows/{PAGES}/sidedata?{QUERY}", f"{root}/{other}/workflows/{PAGES}/sidedata?{QUERY}"),
            # Another organization's workflow, asked for in one's own, is none.
            (
                f"{root}/{OTHER_ORG}/workflows/{PAGES}/sidedata?{QUERY}",
                f"{root}/{OTHER_ORG}/workflows/{nowhere}/sidedata?{QUERY}",
            ),
            (
                f"{root}/{OTHER_ORG}/workflows/{PAGES}/sidedata/live?window=PT1H",
                f"{root}/{OTHER_ORG}/workflows/{nowhere}/sidedata/live?window=PT1H",
            ),
        ]
        assert await status(pipe.http, "", mine, pairs[2][1]) == 404  # the token is remembered
        for real, unreal in pairs:
            heard: list[Any] = []
            # All within one second: another one is another Date.
            while len({fixed["Date"] for _, fixed, *_ in heard}) != 1:
                heard.clear()
                for path in (real, unreal, real, unreal):
                    await pipe.client.config_resetstat()
                    async with pipe.http.get(path, headers=headers) as answer:
                        fixed = {
                            name: value for name, value in answer.headers.items() if name.lower() != "x-request-id"
                        }
                        told = (answer.status, fixed, await answer.read())
                    commands = await pipe.client.info("commandstats")
                    calls = {name: facts["calls"] for name, facts in commands.items() if name not in _OF_THE_TEST}
                    heard.append((*told, calls))
            assert heard[0][:3] == heard[1][:3]
            assert heard[2] == heard[3]  # by now nothing runs in the background
            assert heard[0][0] in (403, 404)


@pytest.mark.undeployed("it logs in as Redis's default user, which is off there")
async def test_neither_log_nor_error_nor_metric_names_a_secret(private_server: Callable[..., RedisServer]) -> None:
    """With the right password, with a wrong one, and when Redis dies: the token, the secret and the password stay inside."""
    server = private_server()
    server._admin.config_set("requirepass", PASSWORD)
    path = server.url.removeprefix("unix://")
    right, wrong = f"unix://:{PASSWORD}@{path}", f"unix://:{PASSWORD}-wrong@{path}"
    client = connect(right, timeout=5)
    token, _ = await tokens.create(as_user("operator", client), ORG, ["reports"])
    await client.aclose()
    said = b""
    async with serving(right, SIDEDATA_SECRET=INSTALLATION_SECRET, SIDEDATA_LOG_LEVEL="DEBUG") as process:
        base = await address(process)
        async with aiohttp.ClientSession() as http:
            assert await status(http, base, token) == 200
            assert await status(http, base, token, f"{WORKFLOWS}?token={token}") == 400
            assert await status(http, base, token + "x") == 401
            server.kill()
            assert await status(http, base, token, f"{SIDEDATA}?{QUERY}") == 503
            async with http.get(f"{base}/metrics") as answer:
                said += await answer.read()
            async with http.get(f"{base}/readyz") as answer:
                said += await answer.read()
        process.terminate()
        out, err = await process.communicate()
        said += out + err
    server.start()
    server._admin.config_set("requirepass", PASSWORD)
    async with serving(wrong, SIDEDATA_SECRET=INSTALLATION_SECRET) as process:
        out, err = await process.communicate()
        assert process.returncode == 1
        said += out + err
    said += repr(Settings(redis_url=right, secret=INSTALLATION_SECRET)).encode()
    said += repr(connect(right, timeout=1)).encode()
    for secret in (token, INSTALLATION_SECRET, PASSWORD):
        assert secret.encode() not in said, secret
    server._admin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    "flags", [[], ["--secret", INSTALLATION_SECRET], [f"--secret={INSTALLATION_SECRET}"]], ids=["", "flag", "joined"]
)
async def test_no_process_title_names_a_secret(tmp_path: Path, flags: list[str]) -> None:
    """Of the whole tree of `sidedata up`: what opens doors stands where no list of processes shows it, a flag's value too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "store.cli.main", "up", "--data-dir", str(tmp_path / "d"), *flags),
        env={
            **os.environ,
            "SIDEDATA_REDIS_URL": "",
            "SIDEDATA_SECRET": "" if flags else INSTALLATION_SECRET,
            "SIDEDATA_PORT": "0",
            "SIDEDATA_WORKER_PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = b""
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while b"listening" not in said:
                line = await process.stdout.readline()
                assert line, said
                said += line
        titles = [path.read_bytes() for path in family(process.pid)]
        assert len(titles) >= 4  # Redis, service and worker beside it
    finally:
        process.terminate()
        said += (await process.communicate())[0]
    assert INSTALLATION_SECRET.encode() not in b"".join(titles) + said


@pytest.mark.undeployed("it logs in as Redis's default user, which is off there")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_an_address_with_a_password_leaves_the_command_line(private_server: Callable[..., RedisServer]) -> None:
    """A worker that got it as a flag works with it, and its own title no longer has it."""
    server = private_server()
    server._admin.config_set("requirepass", PASSWORD)
    url = f"unix://:{PASSWORD}@{server.url.removeprefix('unix://')}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "store.cli.main", "worker", "--redis-url", url, "--worker-port", "0"),
        env={**os.environ, "SIDEDATA_REDIS_URL": "", "SIDEDATA_SECRET": INSTALLATION_SECRET},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    client = connect(url, timeout=5)
    try:
        async with asyncio.timeout(30):
            while not await client.exists(keys.WORKERS):  # noqa: ASYNC110 - a key can only be asked for
                await asyncio.sleep(0.05)
        title = family(process.pid)[0].read_bytes()
        assert title.endswith(b"worker\0--worker-port\x000\0")
    finally:
        await client.aclose()
        process.terminate()
        await process.wait()
        server._admin.close()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["serve", "--secret", "s", "--port", "1"], ["serve", "--port", "1"]),
        (["serve", "--secret=s", "--host", "s"], ["serve", "--host", "s"]),
        (["push", "--secret"], ["push", "--secret"]),
        (["push", "s", "--secret", "x"], ["push", "s", "--secret", "x"]),
    ],
)
def test_only_the_flag_and_its_value_leave(words: list[str], left: list[str]) -> None:
    """Whatever else is on the command line stays as it was."""
    assert without(words, {"secret": "s"}) == left


def family(root: int) -> list[Path]:
    """The command lines of a process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    members = {root}
    while more := {child for child, parent in parents.items() if parent in members} - members:
        members |= more
    return [Path(f"/proc/{member}/cmdline") for member in members]
