"""The demonstration: an organization with a workflow of each kind, requests for their reports, and the answers."""

import asyncio
import json
import os
import shlex
import shutil
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import aiohttp
import click
import msgspec
from msgspec import Struct

from sidedata.cli.connection import connect_installation
from sidedata.cli.processes.address import base_url
from sidedata.embedded.data_directory import data_directory
from sidedata.errors import StopError
from sidedata.reads.partitions import partitions_with_backlog
from sidedata.reads.tokens import find_token
from sidedata.schema.keys import ALL_KEYS
from sidedata.settings import Settings
from sidedata.writes.records import set_organization, set_workflow
from sidedata.writes.tokens import create_token

ORGANIZATION: Final = "5de0da7a-0000-4000-8000-000000000001"
PAGES: Final = "5de0da7a-0000-4000-8000-00000000000a"
INTERACTIONS: Final = "5de0da7a-0000-4000-8000-00000000000b"
_ZONE: Final = "Europe/Helsinki"
_DAYS: Final = 7
_HISTORY_SECONDS: Final = 180.0
_VISITORS_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5

_WORKFLOWS: Final = (
    (PAGES, "page_navigation", "Web shop pages"),
    (INTERACTIONS, "interaction", "Help me choose"),
)


async def prepare(settings: Settings) -> str:
    """Register the demo's organization and workflows (idempotent) and return a token for them."""
    path = data_directory(Path(settings.data_dir)) / "demo-token"
    async with connect_installation(settings) as (gateway, installation):
        await set_organization(gateway, installation, ORGANIZATION, _ZONE)
        for workflow, kind, name in _WORKFLOWS:
            await set_workflow(gateway, installation, ORGANIZATION, workflow, kind, name)
        # The token of the last run, so that copies of it still work; Redis holds its hash only.
        last = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        if last and await find_token(gateway, last):
            return last
        token, _ = await create_token(gateway, ORGANIZATION, ["reports", "ingest"], name="demo")
    _save(path, token)
    return token


def _save(path: Path, token: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(token + "\n")


class Demo(Struct, frozen=True):
    """A running demo: its settings, its Redis, its token."""

    settings: Settings
    redis_url: str
    token: str

    @property
    def traffic(self) -> list[str]:
        """The arguments of `sidedata traffic`."""
        return ["--org", ORGANIZATION, "--pages", PAGES, "--interactions", INTERACTIONS]

    def print_addresses(self) -> None:
        """Print addresses, token and ids."""
        base = base_url(self.settings)
        click.secho("\nsidedata runs", bold=True)
        for name, value in (
            ("address", base),
            ("dashboard", f"{base}/dashboard#org={ORGANIZATION}"),
            ("token", self.token),
            ("organization", f"{ORGANIZATION} ({_ZONE})"),
            ("keys", self._keys_command()),
        ):
            click.echo(f"  {name:<14}{value}")

    def print_end(self) -> None:
        """Print where to look now: the answers have moved the addresses out of a small terminal."""
        click.echo(
            f"\nDashboard {base_url(self.settings)}/dashboard#org={ORGANIZATION}\n"
            f"with the token {self.token}\nTraffic continues until Ctrl-C."
        )

    def _keys_command(self) -> str:
        """The command line that shows the keys: a client of Redis or, where PATH has none, sidedata's own count of them."""
        if not self.redis_url.startswith("unix://"):
            return (
                f"redis-cli -u \"$SIDEDATA_REDIS_URL\" --scan --pattern '{ALL_KEYS}'"  # the address may hold a password
            )
        socket = Path(unquote(urlsplit(self.redis_url).path))
        client = next(filter(shutil.which, ("redis-cli", "valkey-cli")), None)
        if client is None:
            sidedata = Path(sys.executable).with_name("sidedata")
            return f"{shlex.quote(str(sidedata))} inspect --memory --data-dir {shlex.quote(self.settings.data_dir)}"
        return f"{client} -s {shlex.quote(str(socket))} --scan --pattern '{ALL_KEYS}'"

    async def history_applied(self, traffic: asyncio.subprocess.Process) -> None:
        """Wait until the history is sent, which `sidedata traffic` prints, and no entry of it is left to apply.

        Raises:
            StopError: it takes more than three minutes.
        """
        assert traffic.stdout is not None  # noqa: S101 - started with its output captured
        settings = msgspec.structs.replace(self.settings, redis_url=self.redis_url)
        try:
            async with asyncio.timeout(_HISTORY_SECONDS), connect_installation(settings) as (gateway, installation):
                await traffic.stdout.readline()
                partition = installation.keyspace_of(ORGANIZATION).partition
                while await partitions_with_backlog(gateway, [partition]):  # noqa: ASYNC110 - Redis sends no notice of it
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError as error:
            raise StopError(f"the history is not applied after {_HISTORY_SECONDS:.0f} seconds") from error

    async def request(self, session: aiohttp.ClientSession) -> list[str]:
        """Request both reports until they have visitors. Returns the raw answers.

        Raises:
            StopError: there are no visitors after a minute.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            answers = [await self._request(session, workflow) for workflow, _, _ in _WORKFLOWS]
            if all(map(_has_visitors, answers)):
                return answers
            if loop.time() - start > _VISITORS_SECONDS:
                raise StopError(f"no visitors after {_VISITORS_SECONDS:.0f} seconds; the last answers: {answers}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _request(self, session: aiohttp.ClientSession, workflow: str) -> str:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        try:
            async with session.post(self._url(workflow), data=_body(), headers=headers) as response:
                return await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return json.dumps({"detail": str(error) or type(error).__name__})

    def print_answers(self, answers: list[str]) -> None:
        """Print for each workflow the command line of its request, and the answer."""
        for (workflow, kind, name), answer in zip(_WORKFLOWS, answers, strict=True):
            click.secho(f"\n{name} ({kind}), the last {_DAYS} days", bold=True)
            click.echo(
                f"curl -s -X POST {shlex.quote(self._url(workflow))} -H 'Authorization: Token {self.token}' "
                f"-H 'Content-Type: application/json' -d {shlex.quote(_body())}\n"
            )
            click.echo(pretty(json.loads(answer, parse_float=Decimal)))

    def _url(self, workflow: str) -> str:
        path = f"/api/reporting/workflow/v1/orgs/{ORGANIZATION}/workflows/{workflow}/sidedata/"
        return base_url(self.settings) + path


def _body() -> str:
    # Dates without a time are local days of the organization.
    today = datetime.now(ZoneInfo(_ZONE)).date()
    start, end = today - timedelta(days=_DAYS - 1), today + timedelta(days=1)
    return json.dumps({"interval": {"start": start.isoformat(), "end": end.isoformat()}})


def _has_visitors(answer: str) -> bool:
    return bool(_object(answer).get("unique_visitors_count"))


def _object(answer: str) -> dict[str, object]:
    try:
        value = json.loads(answer)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def pretty(value: object, indent: str = "") -> str:
    """Format JSON for people: a line for each field, arrays of plain values or pairs on one line, numbers unchanged."""
    deeper = indent + "  "
    match value:
        case dict() if value:
            fields = [f"{deeper}{json.dumps(name)}: {pretty(field, deeper)}" for name, field in value.items()]
            return "{\n" + ",\n".join(fields) + f"\n{indent}}}"
        case list() if any(isinstance(item, dict) for item in value):
            return "[\n" + ",\n".join(deeper + pretty(item, deeper) for item in value) + f"\n{indent}]"
        case list():
            return "[" + ", ".join(pretty(item) for item in value) + "]"
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
