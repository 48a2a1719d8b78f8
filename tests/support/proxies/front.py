"""Requests to a proxy in front of a service, and what they are about."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.events import PAGES, as_array, rfc3339, view
from tests.support.repository.deploy_files import tool
from tests.support.waiting import eventually


class Service(NamedTuple):
    """A running `sidedata up`: its port, a token, and the file with its output."""

    port: int
    token: str
    log: Path


class Front(NamedTuple):
    """A proxy in front of the service: its port, the authority of its certificate, the file with its output and access log."""

    port: int
    ca: Path
    log: Path
    service: Service

    def curl(self, path: str, *options: str) -> list[str]:
        """Return the command of a request with the token; the head comes before the body."""
        headers = [f"Authorization: Token {self.service.token}", "Content-Type: application/json"]
        return [
            *(tool("curl"), "--silent", "--no-buffer", "--include", "--cacert", str(self.ca)),
            *(word for header in headers for word in ("--header", header)),
            *(*options, f"https://127.0.0.1:{self.port}{path}"),
        ]


class ProxyAnswer(NamedTuple):
    """An answer's status, head in lower case, and body."""

    status: int
    head: str
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Return the body, decoded."""
        return json.loads(self.body)


async def ask(front: Front, path: str, *options: str, body: bytes | None = None) -> ProxyAnswer:
    """Send a request: GET, or POST with a body."""
    sending = () if body is None else ("--data-binary", "@-")
    process = await asyncio.create_subprocess_exec(
        *front.curl(path, *options, *sending), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(body)
    assert process.returncode == 0, f"curl ends with {process.returncode}"
    head = b""
    while output.startswith(b"HTTP/") and b" 2" not in head[:12]:  # `100 Continue` has a head of its own
        head, _, output = output.partition(b"\r\n\r\n")
        if b" 100" not in head[:12]:
            break
    return ProxyAnswer(int(head.split()[1]), head.decode().lower(), output)


def report(organization: str) -> str:
    """Return the path of the pages' report."""
    return f"/api/reporting/workflow/v1/orgs/{organization}/workflows/{PAGES}/sidedata/"


def ingest(organization: str) -> str:
    """Return the path that takes events."""
    return f"/api/ingest/v1/orgs/{organization}/events"


def now() -> datetime:
    """Return the time of the events."""
    return datetime.now(UTC) - timedelta(minutes=1)


def interval() -> dict[str, str]:
    """Return two days around the events."""
    return {"start": rfc3339(now() - timedelta(days=1)), "end": rfc3339(now() + timedelta(days=1))}


async def reported_visitors(front: Front, organization: str) -> int:
    """Return the visitors of the report; 0 while the workflow is unknown."""
    answer = await ask(front, report(organization), body=json.dumps({"interval": interval()}).encode())
    assert answer.status in (200, 404), answer
    return int(answer.json.get("unique_visitors_count", 0))


async def count(front: Front, organization: str, visitor: str, seconds: float) -> None:
    """Send an event of a new visitor, and wait until the report counts it."""
    before = await reported_visitors(front, organization)
    body = as_array([view(now(), visitor, organization_id=organization)])
    assert (await ask(front, ingest(organization), body=body)).json == {"accepted": 1}

    async def counted() -> bool:
        return await reported_visitors(front, organization) == before + 1

    await eventually(counted, seconds)
