"""The one place that knows how to drive the pipeline: entries into the streams, a worker's pass, questions by HTTP."""

import json
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sidedata.clock import Clock
from sidedata.ingest.worker.drain import drain
from sidedata.ingest.zones.rulebook import Rulebook
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation
from sidedata.writes.records import set_organization, set_workflow
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, SECRET
from tests.support.events import PAGES, as_array
from tests.support.processes.service import application, ask_patiently, session
from tests.support.redis.client import Client, connect
from tests.support.redis.users import as_user

Entry = bytes | Sequence[bytes] | Mapping[str, bytes]


@dataclass(frozen=True)
class ReportReply:
    """An answer: status, the body's text, and what the header says of the interval."""

    status: int
    text: str
    effective: str = ""

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was answered
        """The body, numbers with a fraction as `Decimal`."""
        return json.loads(self.text, parse_float=Decimal)


@dataclass(frozen=True)
class StoredDeadLetter:
    """A dead letter as it stands in the stream."""

    id: str
    fields: dict[str, bytes]

    @property
    def reason(self) -> str:
        """Why the event could not be applied."""
        return self.fields["reason"].decode()


class Pipeline:
    """An installation on a Redis, its worker and its service."""

    def __init__(
        self, client: Client, installation: Installation, settings: Settings, http: aiohttp.ClientSession
    ) -> None:
        self.client = client
        self.installation = installation
        self.settings = settings
        self.http = http  # with the service's address and a token for everything
        self.rulebook: Rulebook | None = None  # the zone data of the worker; None for those of this machine

    def partition(self, organization: str) -> int:
        """Where an organization's events go, by the contract's formula."""
        return zlib.crc32(organization.lower().encode()) % self.installation.partitions

    async def now(self) -> datetime:
        """Redis's own time."""
        seconds, micros = await self.client.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)

    async def organization(self, timezone: str, organization: str = ORG) -> None:
        """Set the reporting time zone."""
        await set_organization(as_user("operator", self.client), self.installation, organization, timezone)

    async def workflow(self, workflow: str, kind: str, organization: str = ORG) -> None:
        """Register a workflow."""
        await set_workflow(as_user("operator", self.client), self.installation, organization, workflow, kind, "")

    async def push(
        self, *entries: Entry, organization: str = ORG, partition: int | None = None, entry_id: str = "*"
    ) -> list[str]:
        """Put entries into the stream: bytes as `event`, a list as `events`, a mapping as the fields themselves."""
        stream = keys.keyspace(self.partition(organization) if partition is None else partition).events
        pipe = as_user("producer", self.client).pipeline(transaction=False)
        for entry in entries:
            if isinstance(entry, bytes):
                fields: Mapping[str, bytes] = {"event": entry}
            else:
                fields = entry if isinstance(entry, Mapping) else {"events": as_array(entry)}
            pipe.xadd(stream, fields, id=entry_id)
        return [entry.decode() for entry in await pipe.execute()]

    async def drain(self, **settings: int) -> None:
        """Let a worker apply all that is in the streams; `settings` are other ones for this pass."""
        values = {name: getattr(self.settings, name) for name in self.settings.__struct_fields__}
        chosen = Settings(**{**values, **settings})
        await drain(as_user("worker", self.client), self.installation, chosen, self.rulebook)
        for partition in range(self.installation.partitions):
            assert await self.client.xlen(keys.keyspace(partition).events) == 0, (
                "an entry leaves the stream when it is applied"
            )

    async def is_drained(self) -> bool:
        """Tell if all that was pushed is applied, by workers that run meanwhile."""
        partitions = range(self.installation.partitions)
        return not any([await self.client.xlen(keys.keyspace(partition).events) for partition in partitions])

    async def apply(self, *entries: Entry, organization: str = ORG) -> list[str]:
        """Push and drain."""
        ids = await self.push(*entries, organization=organization)
        await self.drain()
        return ids

    async def ask(self, workflow: str, start: str, end: str, organization: str = ORG) -> ReportReply:
        """Ask for a report by POST."""
        path = f"/api/reporting/workflow/v1/orgs/{organization}/workflows/{workflow}/sidedata/"
        heard = await ask_patiently(self.http, "POST", path, json={"interval": {"start": start, "end": end}})
        return ReportReply(heard.status, heard.body.decode(), heard.headers.get("Sidedata-Effective-Interval", ""))

    async def visitors(self, workflow: str = PAGES, organization: str = ORG) -> int:
        """The unique visitors of a workflow from a day ago to a day ahead."""
        now = await self.now()
        start, end = now - timedelta(days=1), now + timedelta(days=1)
        reply = await self.ask(workflow, start.isoformat(), end.isoformat(), organization)
        assert reply.status == 200, reply.text
        return int(reply.json["unique_visitors_count"])

    async def letters(self, organization: str = ORG) -> list[StoredDeadLetter]:
        """The dead letters of an organization's partition, oldest first."""
        rows = await self.client.xrange(keys.keyspace(self.partition(organization)).dead)
        return [StoredDeadLetter(entry.decode(), {k.decode(): v for k, v in fields.items()}) for entry, fields in rows]

    async def reasons(self, organization: str = ORG) -> list[str]:
        """The reasons of the dead letters, oldest first."""
        return [letter.reason for letter in await self.letters(organization)]


@asynccontextmanager
async def pipeline(url: str, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Pipeline]:  # noqa: ANN401
    """An installation on an empty Redis, with other settings than the defaults where given."""
    assert urlsplit(url).scheme in {"unix", "redis+cluster", "rediss+cluster"}, "only servers of our own"
    client = connect(url, timeout=10)
    chosen = Settings(redis_url=url, secret=SECRET, **settings)
    try:
        serving = as_user("service", client)
        installation = await open_installation(serving, chosen, require_secret=True)
        token, _ = await create_token(as_user("operator", client), None, ["reports", "ingest"])
        async with session(application(serving, installation, chosen, clock), token) as http:
            yield Pipeline(client, installation, chosen, http)
    finally:
        await client.aclose()
