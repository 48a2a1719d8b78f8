"""The runbook's commands do what it says, on a real server with the configuration and users of deploy/."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from tests.support.constants import ORG, SECRET
from tests.support.events import view
from tests.support.pipeline import pipeline
from tests.support.redis.servers import RedisServer, find_binary, version_text
from tests.support.redis.users import as_user, login, password, version
from tests.support.repository.deploy_files import RUNBOOK
from tests.support.waiting import eventually

_BLOCK = re.compile(r"^<!-- runbook -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class RedisMachine(NamedTuple):
    """Redis's machine: its server, and a shell with what the runbook takes for granted."""

    server: RedisServer
    environment: dict[str, str]

    def do(self, commands: str, **more: str) -> str:
        """Run the commands and return their output; each of them must succeed."""
        done = subprocess.run(
            ["sh", "-euxc", commands],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[RedisMachine]:
    """A guarded server whose data lie in a directory of their own."""
    if version(version_text(find_binary())) < (7, 0):
        pytest.skip("users.acl needs Redis 7.0: %R~ and selectors")
    cli = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if cli is None:
        pytest.skip("there is no redis-cli here")
    for name in ("data", "backup", "bin"):
        (tmp_path / name).mkdir()
    server = RedisServer("--dir", str(tmp_path / "data"), "--appendfsync", "always", guarded=True)
    server.start()
    program(tmp_path / "bin/redis-cli", f'{cli} -s "{server.directory / "s"}" "$@"')
    program(tmp_path / "bin/sidedata", f'{sys.executable} -m sidedata.cli.main "$@"')
    if version(version_text(find_binary())) < (9, 0):
        (tmp_path / "bin/redis-check-aof").symlink_to(find_binary())  # the server itself is it, under that name
    else:
        program(tmp_path / "bin/redis-check-aof", "true")  # Valkey 9.1's own doesn't know the base files that it writes
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "REDISCLI_AUTH": password("admin"),
        "DATA": str(tmp_path / "data"),
        "BACKUP": str(tmp_path / "backup"),
        "KEPT": str(tmp_path / "kept"),
        "ORG": ORG,
        "SIDEDATA_REDIS_URL": as_user("operator", server.url),
    }
    try:
        yield RedisMachine(server, environment)
    finally:
        server.close()


def program(path: Path, command: str) -> None:
    """A command of one line."""
    path.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    path.chmod(0o755)


def blocks(heading: str) -> list[str]:
    """The commands of a section."""
    text = RUNBOOK.read_text(encoding="utf-8")
    [section] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return _BLOCK.findall(section)


def from_rdb(machine: RedisMachine, before: str, after: str) -> None:
    """As the runbook says: without the append-only file, then with a new one."""
    machine.do(before)
    machine.server.start("--appendonly", "no")
    machine.do(after)
    machine.server.kill()


def from_aof(machine: RedisMachine, commands: str) -> None:
    """Put back and checked."""
    machine.do(commands)


@pytest.mark.parametrize("kind", ["rdb", "aof"])
async def test_a_restored_backup_is_that_instant(machine: RedisMachine, kind: str) -> None:
    """Later events are gone from stream and counters alike, and all events count once when they are sent again."""
    save_rdb, save_aof = blocks("Backup")
    put_aof, *put_rdb = blocks("Restore")
    async with pipeline(machine.server.url, partitions=2) as pipe:
        now = await pipe.now()
        first = [view(now, f"v{n}", id=f"first-{n}") for n in range(20)]
        await pipe.apply(first)
        await pipe.push(view(now, "waits", id="waits"))  # a backup holds what waits, too
        machine.do(save_rdb if kind == "rdb" else save_aof)
        later = [view(now, f"w{n}", id=f"later-{n}") for n in range(5)]
        await pipe.apply(later)
        assert await pipe.visitors() == 26
    machine.server.kill()
    if kind == "rdb":
        from_rdb(machine, *put_rdb)
    else:
        from_aof(machine, put_aof)
    machine.server.start()
    async with pipeline(machine.server.url, partitions=2) as pipe:
        assert await pipe.visitors() == 20
        await pipe.drain()
        assert await pipe.visitors() == 21
        await pipe.apply(first, later)
        assert await pipe.visitors() == 26
        assert await pipe.client.hget(f"sd:{{{pipe.partition(ORG)}}}:cursor", "events") == b"26"
    machine.server.kill()
    machine.server.start()
    with redis.Redis.from_url(machine.server.url) as admin:
        assert admin.info("persistence")["aof_enabled"] == 1
        assert admin.hget(f"sd:{{{pipe.partition(ORG)}}}:cursor", "events") == b"26"


async def test_tokens_and_passwords_are_changed_in_flight(machine: RedisMachine) -> None:
    """Old and new both count until the old one goes."""
    tokens, add, remove = blocks("Tokens and passwords")
    server = machine.server

    def gets_in(secret: str) -> bool:
        with redis.Redis.from_url(login(server.url, "worker", secret)) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return False

    machine.do(add)
    assert (gets_in(password("worker")), gets_in("the-new-one")) == (True, True)
    machine.do(remove.replace("the-old-one", password("worker")))
    assert (gets_in(password("worker")), gets_in("the-new-one")) == (False, True)
    machine.do("sidedata token create --org all --scope reports --name old")
    old = machine.do('sidedata token list --json | grep -o \'"id": *"[^"]*\' | cut -d\'"\' -f4').split()
    assert "dashboard, second" in machine.do(tokens, OLD=old[0], COLUMNS="200")
    left = machine.do("sidedata token list --json")
    assert "dashboard, second" in left
    assert old[0] not in left


async def test_wrong_counters_are_rebuilt(machine: RedisMachine, tmp_path: Path) -> None:
    """By an operator, from an archive, as the worker would have counted."""
    async with pipeline(machine.server.url, partitions=2) as pipe:
        now = await pipe.now()
        archive = tmp_path / "archive.ndjson"
        archive.write_bytes(b"\n".join(view(now, f"v{n}", id=f"{n}") for n in range(3)))
        await pipe.apply(view(now, "nobody"))
        [commands] = blocks("Rebuilding an organization from its archive")
        machine.do(commands, ARCHIVE=str(archive), SIDEDATA_SECRET=SECRET)
        assert await pipe.visitors() == 3


def named(data: Path) -> bool:
    """Tell if the append-only files name the organization; a rewrite may end between two reads, and then its files change."""
    try:
        return any(ORG.encode() in path.read_bytes() for path in data.rglob("*.aof"))
    except FileNotFoundError:
        return True


async def test_a_deleted_organization_is_gone_from_the_file_too(machine: RedisMachine) -> None:
    """Counters at once, the append-only file when its rewrite is done."""
    data = Path(machine.environment["DATA"])

    async def forgotten() -> bool:
        return not await asyncio.to_thread(named, data)

    async with pipeline(machine.server.url, partitions=2) as pipe:
        await pipe.apply(view(await pipe.now(), "v", id="a"))
        assert not await forgotten()
        [commands] = blocks("Deleting an organization")
        machine.do(commands)
        assert not [key async for key in pipe.client.scan_iter(match=f"*{ORG}*")]
        await eventually(forgotten)
