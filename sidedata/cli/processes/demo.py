"""What `sidedata demo` shows: an organization with one workflow of each kind, how to ask for them, and the answers."""

import asyncio
import json
import os
import shlex
import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import aiohttp
import click
from msgspec import Struct

from sidedata.cli.connection import opened
from sidedata.cli.processes.address import base_url
from sidedata.embedded.data_directory import data_directory
from sidedata.embedded.server import find_server
from sidedata.errors import StopError
from sidedata.schema import tokens
from sidedata.schema.records import set_organization, set_workflow
from sidedata.settings import Settings

ORGANIZATION: Final = "5de0da7a-0000-4000-8000-000000000001"
PAGES: Final = "5de0da7a-0000-4000-8000-00000000000a"
INTERACTIONS: Final = "5de0da7a-0000-4000-8000-00000000000b"
_ZONE: Final = "Europe/Helsinki"
_DAYS: Final = 7
_VISITORS_SECONDS: Final = 60.0
_WHOLE_SECONDS: Final = 15.0  # what is rarer than visitors, such as purchases, is waited for that long
_PAUSE_SECONDS: Final = 0.5

_WORKFLOWS: Final = (
    (PAGES, "page_navigation", "Web shop pages"),
    (INTERACTIONS, "interaction", "Help me choose"),
)


async def prepare(settings: Settings) -> str:
    """Register the demo's organization and workflows, as far as they aren't, and return a token for them."""
    path = data_directory(Path(settings.data_dir)) / "demo-token"
    async with opened(settings) as (client, installation):
        await set_organization(client, installation, ORGANIZATION, _ZONE)
        for workflow, kind, name in _WORKFLOWS:
            await set_workflow(client, installation, ORGANIZATION, workflow, kind, name)
        # The same token as last time, so that what was pasted somewhere still works; Redis itself knows its hash only.
        kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        if kept and await tokens.find(client, kept):
            return kept
        token, _ = await tokens.create(client, ORGANIZATION, ["reports", "ingest"], name="demo")
    _keep(path, token)
    return token


def _keep(path: Path, token: str) -> None:
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(token + "\n")


class Demo(Struct, frozen=True):
    """A demo that runs: how it was set, its Redis, its token."""

    settings: Settings
    redis_url: str
    token: str

    @property
    def traffic(self) -> list[str]:
        """The arguments of `sidedata traffic`."""
        return ["--org", ORGANIZATION, "--pages", PAGES, "--interactions", INTERACTIONS]

    def print_places(self) -> None:
        """Print where everything is."""
        base = base_url(self.settings)
        click.secho("\nsidedata runs", bold=True)
        for name, value in (
            ("address", base),
            ("dashboard", f"{base}/dashboard#org={ORGANIZATION}"),
            ("token", self.token),
            ("organization", f"{ORGANIZATION} ({_ZONE})"),
            ("keys", f"{redis_cli(self.redis_url)} --scan --pattern 'sd:*'"),
        ):
            click.echo(f"  {name:<14}{value}")

    async def ask(self, session: aiohttp.ClientSession) -> list[str]:
        """Both answers as they came, once there are visitors, and, if it doesn't take long, goals and purchases.

        Raises:
            StopError: there are none after a minute.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            answers = [await self._ask(session, workflow) for workflow, _, _ in _WORKFLOWS]
            waited = loop.time() - began
            if all(map(_has_visitors, answers)) and (waited > _WHOLE_SECONDS or all(map(_is_whole, answers))):
                return answers
            if waited > _VISITORS_SECONDS:
                raise StopError(f"no visitors after {_VISITORS_SECONDS:.0f} seconds; the last answers: {answers}")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _ask(self, session: aiohttp.ClientSession, workflow: str) -> str:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        try:
            async with session.post(self._report(workflow), data=_question(), headers=headers) as response:
                return await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return json.dumps({"detail": str(error) or type(error).__name__})

    def print_answers(self, answers: list[str]) -> None:
        """Print each kind's command line and the answer to it."""
        for (workflow, kind, name), answer in zip(_WORKFLOWS, answers, strict=True):
            click.secho(f"\n{name} ({kind}), the last {_DAYS} days", bold=True)
            click.echo(
                f"curl -s -X POST {shlex.quote(self._report(workflow))} -H 'Authorization: Token {self.token}' "
                f"-H 'Content-Type: application/json' -d {shlex.quote(_question())}\n"
            )
            click.echo(pretty(json.loads(answer, parse_float=Decimal)))

    def _report(self, workflow: str) -> str:
        path = f"/api/reporting/workflow/v1/orgs/{ORGANIZATION}/workflows/{workflow}/sidedata/"
        return base_url(self.settings) + path


def _question() -> str:
    # Dates alone are local days of the organization.
    today = datetime.now(ZoneInfo(_ZONE)).date()
    start, end = today - timedelta(days=_DAYS - 1), today + timedelta(days=1)
    return json.dumps({"interval": {"start": start.isoformat(), "end": end.isoformat()}})


def _has_visitors(answer: str) -> bool:
    return bool(_object(answer).get("unique_visitors_count"))


def _is_whole(answer: str) -> bool:
    return all(value != [] for value in _object(answer).values())


def _object(answer: str) -> dict[str, Any]:
    try:
        value = json.loads(answer)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def pretty(value: Any, indent: str = "") -> str:  # noqa: ANN401 - any JSON
    """JSON for reading: objects a field a line, arrays of plain values or of pairs on one line; numbers as they came."""
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


def redis_cli(url: str) -> str:
    """The command line that opens that Redis: with the client beside our server, where there is no other."""
    if not url.startswith("unix://"):
        return 'redis-cli -u "$SIDEDATA_REDIS_URL"'  # it may hold a password
    client = shutil.which("redis-cli")
    beside = Path(find_server()).with_name("redis-cli")
    program = "redis-cli" if client or not beside.exists() else shlex.quote(str(beside))
    return f"{program} -s {shlex.quote(unquote(urlsplit(url).path))}"
