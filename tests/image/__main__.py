"""Build deploy/Dockerfile in a root file system and run the containers of compose.yaml that are ours on it, as root.

    debootstrap --variant=minbase trixie ROOT \
        --include=python3,python3-dev,python3-pip,python3-venv,ca-certificates,redis-server,redis-tools
    python -m tests.image ROOT

The build's commands run word for word by chroot; Debian's python3 stands for the `python` of the base image, its redis-server for
the Redis image. Then each container runs in namespaces of its own with what compose.yaml gives it: user, read-only root, tmpfs,
volumes, no capability, no new privileges, environment, command. They share one network without a way out.
"""

import argparse
import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import click

from tests.image.build import Chroot, build, settings, stages, words
from tests.image.container import NOTHING, Container, Image
from tests.support.constants import ORG
from tests.support.paths import DEPLOY
from tests.support.repository.deploy_files import documents
from tests.support.waiting import eventually

WORKFLOW = "1b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a23"
_HOSTS = "127.0.0.1 localhost redis\n"


def main() -> None:
    """Build, then run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--built", action="store_true", help="it is built already: only run")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    final = root.with_name(f"{root.name}-final")
    first, last = stages((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    if arguments.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        asyncio.run(run(final, last))
        return
    if not arguments.built:
        shutil.rmtree(final, ignore_errors=True)
        (root / "usr/local/bin/python").unlink(missing_ok=True)
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        subprocess.run(["cp", "-a", "--reflink=auto", str(root), str(final)], check=True)
        start = time.monotonic()
        build(first, Chroot(root))
        build(last, Chroot(final), Chroot(root))
        click.echo(f"built in {time.monotonic() - start:.0f} s")
    (final / "etc/hosts").write_text(_HOSTS, encoding="utf-8")
    again = [sys.executable, "-m", "tests.image", "--inside", str(root)]
    raise SystemExit(subprocess.run(["unshare", "--net", "--mount", *again], check=False).returncode)


async def expect(check: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition, and print it."""
    await eventually(check, 20, what, pause=0.2)
    click.echo(f"ok: {what}")


async def run(root: Path, image: Any) -> None:  # noqa: ANN401 - the instructions
    """Redis, a worker, a service, and an operator that makes a token; an event in, its answer out; everything leaves with 0."""
    [compose] = documents(DEPLOY / "compose.yaml")
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)
    variables = {name: f"word-{name.lower().replace('_', '-')}" for name in names}
    ours = Image(
        entry=words(image, "ENTRYPOINT"),
        user=next(one.text for one in image if one.name == "USER"),
        directory=next(one.text for one in image if one.name == "WORKDIR"),
        environment={**settings(image), "PATH": "/opt/sidedata/bin:/usr/local/bin:/usr/bin:/bin"},
    )

    def container(name: str) -> Container:
        return Container(name, compose["services"][name], root, variables, NOTHING if name == "redis" else ours)

    health = ["CMD", *words(image, "HEALTHCHECK")]
    redis, worker, service, operator = map(container, ("redis", "worker", "service", "operator"))

    def healthy(one: Container, check: list[str]) -> Callable[[], Awaitable[bool]]:
        async def asked() -> bool:
            return await one.health(check) == 0

        return asked

    async with contextlib.AsyncExitStack() as stack:
        running = [await stack.enter_async_context(redis.running())]
        await expect(healthy(redis, compose["services"]["redis"]["healthcheck"]["test"]), "redis is healthy")
        running += [await stack.enter_async_context(one.running()) for one in (worker, service)]
        await expect(healthy(worker, health), "the worker is alive by the image's health check")
        await expect(healthy(service, compose["services"]["service"]["healthcheck"]["test"]), "the service is ready")
        token = (
            await operator.run_command("token", "create", "--org", "all", "--scope", "reports", "--scope", "ingest")
        ).strip()
        await ask(token)
        click.echo("ok: an event went in over HTTP and is in the answer")
        overview = json.loads(await operator.run_command("inspect", "--json"))
        assert (overview["workers"], overview["dead_letters"], overview["lag_entries"]) == (1, 0, 0), overview
        click.echo("ok: inspect as operator: 1 worker, nothing waits")
        wrote, _ = await service.run(["python", "-c", "open('/opt/sidedata/x', 'w')"])
        assert wrote != 0
        click.echo("ok: the root file system can't be written")
        doctor = (await operator.run(["sidedata", "doctor"]))[1]
        click.echo(doctor)
        for one in reversed(running):
            start = time.monotonic()
            await one.stop()
            click.echo(f"{one.container.name} left with {one.status} after {time.monotonic() - start:.1f} s")
            assert one.status == 0


async def ask(token: str) -> None:
    """An event in, and its answer."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = {"type": "page_view", "workflow_id": WORKFLOW, "visitor_id": "v", "session_id": "s", "timestamp": now}
    headers = {"Authorization": f"Token {token}"}
    async with aiohttp.ClientSession("http://127.0.0.1:8080", headers=headers) as http:
        async with http.post(f"/api/ingest/v1/orgs/{ORG}/events", json=[event]) as reply:
            assert reply.status == 202, await reply.text()

        async def there() -> bool:
            path = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{WORKFLOW}/sidedata/"
            async with http.get(path, params={"start": now[:10], "end": f"{now[:10]}T23:59"}) as reply:
                return reply.status == 200 and (await reply.json())["unique_visitors_count"] == 1

        await expect(there, "the answer has the event")


if __name__ == "__main__":
    main()
