"""Caddy and nginx with the files of deploy/proxy in front of `sidedata up`, over TLS; skipped where the programs are missing."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from sidedata.settings import PREFIX
from tests.support.events import PAGES, as_array, rfc3339, view
from tests.support.paths import DEPLOY
from tests.support.redis.certificates import Certificates
from tests.support.repository.deploy_files import tool
from tests.support.waiting import TIME_FACTOR, eventually

pytestmark = pytest.mark.undeployed("`sidedata up` brings a Redis of its own")

START_SECONDS = 30.0
MEBIBYTE = 1 << 20


def report(organization: str) -> str:
    """Return the path of the pages' report."""
    return f"/api/reporting/workflow/v1/orgs/{organization}/workflows/{PAGES}/sidedata/"


@pytest.fixture
def organization() -> str:
    """Return an organization without events, so that its counts are small and exact."""
    return str(uuid.uuid4())


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


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Wait until the condition holds, with the log in the failure."""
    limit = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < limit, f"{what}: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
        time.sleep(0.02)


def start(stack: ExitStack, command: list[str], log: Path, **variables: str) -> None:
    """Start a program whose output goes to the log; it ends with the stack."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    output = stack.enter_context(log.open("ab"))
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**inherited, **variables}, cwd=log.parent
    )
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with a worker and a Redis, and a token for everything."""
    directory = tmp_path_factory.mktemp("service")
    log = directory / "log"
    port = free_port()
    sidedata = [sys.executable, "-m", "sidedata"]
    with ExitStack() as stack:
        start(
            stack,
            [*sidedata, "up"],
            log,
            SIDEDATA_PORT=str(port),
            SIDEDATA_WORKER_PORT="0",
            SIDEDATA_TRUSTED_PROXIES="127.0.0.1",
        )
        wait_for(lambda: "sidedata is up" in log.read_text(encoding="utf-8"), "the service starts", log)
        token = subprocess.run(
            [*sidedata, "token", "create", "--org", "all", "--scope", "reports", "--scope", "ingest"],
            env={**os.environ, "SIDEDATA_REDIS_URL": f"unix://{directory}/.sidedata/redis.sock"},
            capture_output=True,
            text=True,
            check=True,
            timeout=START_SECONDS,
        ).stdout.strip()
        yield Service(port, token, log)


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """Return the configuration with this machine's ports and paths; each original must be there."""
    for pattern, value in changes:
        text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
        assert count, pattern
    return text


def start_caddy(stack: ExitStack, directory: Path, port: int, upstream: int, pair: tuple[str, str]) -> Path:
    """Start Caddy, without its port for administration and without one for plain HTTP."""
    log = directory / "caddy.log"
    site = replaced(
        (DEPLOY / "proxy/Caddyfile").read_text(encoding="utf-8"),
        (r"^\t# tls .*$", f"\ttls {' '.join(pair)}"),
        (r"^\{$", "{\n\tadmin off\n\tauto_https disable_redirects"),
    )
    (directory / "Caddyfile").write_text(site, encoding="utf-8")
    command = [tool("caddy"), "run", "--config", str(directory / "Caddyfile"), "--adapter", "caddyfile"]
    places = {name: str(directory) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    start(stack, command, log, SITE=f"https://127.0.0.1:{port}", UPSTREAM=f"127.0.0.1:{upstream}", **places)
    return log


def start_nginx(stack: ExitStack, directory: Path, port: int, upstream: int, pair: tuple[str, str]) -> Path:
    """Start nginx; what Debian's own nginx.conf says around the site stands in a file of the test."""
    log = directory / "nginx.log"
    plain = free_port()
    site = replaced(
        (DEPLOY / "proxy/nginx.conf").read_text(encoding="utf-8"),
        (r"server 127\.0\.0\.1:8080 ", f"server 127.0.0.1:{upstream} "),
        (r"listen 443 ", f"listen 127.0.0.1:{port} "),
        (r"listen 80;", f"listen 127.0.0.1:{plain};"),
        (r"^ +listen \[::\].*$", ""),
        (r"ssl_certificate .*;", f"ssl_certificate {pair[0]};"),
        (r"ssl_certificate_key .*;", f"ssl_certificate_key {pair[1]};"),
        (r"/var/log/nginx/sidedata\.log", str(log)),
    )
    (directory / "site.conf").write_text(site, encoding="utf-8")
    paths = "".join(
        f"    {name}_temp_path {directory}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    around = (
        f"daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n    access_log off;\n{paths}    include {directory}/site.conf;\n}}\n"
    )
    (directory / "nginx.conf").write_text(around, encoding="utf-8")
    start(stack, [tool("nginx"), "-p", str(directory), "-c", str(directory / "nginx.conf")], log)
    return log


STARTS = {"caddy": start_caddy, "nginx": start_nginx}


@pytest.fixture(scope="module", params=sorted(STARTS))
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One proxy after the other, in front of the same service; the programs are looked for before anything is started."""
    tool(request.param)
    service: Service = request.getfixturevalue("service")
    directory = tmp_path_factory.mktemp(request.param)
    certificates = Certificates(directory)
    port = free_port()
    with ExitStack() as stack:
        log = STARTS[request.param](stack, directory, port, service.port, certificates.of("server"))
        wait_for(lambda: answers(port), f"{request.param} starts", log)
        yield Front(port, certificates.ca, log, service)


def answers(port: int) -> bool:
    """Tell if something listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


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


def ingest(organization: str) -> str:
    """Return the path that takes events."""
    return f"/api/ingest/v1/orgs/{organization}/events"


async def count(front: Front, organization: str, visitor: str, seconds: float) -> None:
    """Send an event of a new visitor, and wait until the report counts it."""
    before = await reported_visitors(front, organization)
    body = as_array([view(now(), visitor, organization_id=organization)])
    assert (await ask(front, ingest(organization), body=body)).json == {"accepted": 1}

    async def counted() -> bool:
        return await reported_visitors(front, organization) == before + 1

    await eventually(counted, seconds)


async def test_a_report_comes_over_tls(front: Front, organization: str) -> None:
    """An event goes in through the proxy and is in the report within its second."""
    await count(front, organization, "v", 1)
    answer = await ask(front, report(organization), body=json.dumps({"interval": interval()}).encode())
    assert "strict-transport-security: max-age=31536000" in answer.head
    assert "sidedata-effective-interval: " in answer.head
    assert answer.head.startswith("http/2 200")


async def event(stream: asyncio.StreamReader) -> int:
    """Return the visitors of the stream's next event with numbers."""
    name = b""
    while line := await stream.readline():
        if line.startswith(b"event: "):
            name = line.strip()
        elif line.startswith(b"data: ") and name == b"event: sidedata":
            return int(json.loads(line[6:])["unique_visitors_count"])
    raise AssertionError("the stream has ended")


async def test_a_live_stream_is_not_held_back(front: Front, organization: str) -> None:
    """The first event comes within its second, and so does a change."""
    await count(front, organization, "first", 10)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *front.curl(f"{report(organization)}live?window=PT1H"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(10 * TIME_FACTOR):
            assert await event(process.stdout) == 1
            assert time.monotonic() - began < 1 * TIME_FACTOR
            await count(front, organization, "second", 1)
            assert await event(process.stdout) == 2
            assert time.monotonic() - began < 2.5 * TIME_FACTOR
    finally:
        process.kill()
        await process.communicate()


async def test_an_upload_of_10_mib_is_taken_and_not_a_byte_more(front: Front, organization: str) -> None:
    """10 MiB of events are accepted; one byte more is 413, as JSON, from either of the two."""
    body = as_array([view(now(), f"{n}", organization_id=organization) for n in range(10_000)])
    body = body.ljust(10 * MEBIBYTE)
    assert (await ask(front, ingest(organization), body=body)).json == {"accepted": 10_000}
    refused = await ask(front, ingest(organization), body=body + b" ")
    assert (refused.status, refused.json["status"]) == (413, 413)


async def test_a_question_has_64_kib(front: Front, organization: str) -> None:
    """The largest question is read; one byte more is 413."""
    question = json.dumps({"interval": interval()}).encode()
    for size, status in ((64 * 1024, 404), (64 * 1024 + 1, 413)):
        answer = await ask(front, report(organization), body=question.ljust(size))
        assert (answer.status, answer.json["status"]) == (status, status)


async def test_only_what_is_for_the_world_is_served(front: Front) -> None:
    """Metrics and checks stay inside; pages and the API's description are there."""
    for path in ("/metrics", "/livez", "/readyz", "/elsewhere", "/api/../metrics"):
        answer = await ask(front, path, "--path-as-is")
        assert (answer.status, answer.json["status"]) == (404, 404), path
    for path in ("/dashboard/", "/docs/", "/openapi.json"):
        assert (await ask(front, path)).status == 200, path


async def test_the_client_s_address_is_believed_and_a_forged_one_is_not(front: Front, organization: str) -> None:
    """The service logs the address that the proxy saw; neither log holds the token or the query."""
    options = ("--interface", "127.0.0.2", "--header", "X-Forwarded-For: 203.0.113.9")
    answer = await ask(front, f"{report(organization)}?{urlencode(interval())}", *options)
    assert answer.status == 404
    for log in (front.log, front.service.log):
        wait_for(lambda log=log: "127.0.0.2" in log.read_text(encoding="utf-8"), "the address is logged", log)  # type: ignore[misc]
        text = log.read_text(encoding="utf-8")
        assert front.service.token not in text
        assert "203.0.113.9" not in text
        assert "start=" not in text


def connections(port: int) -> int:
    """Count the connections to a port on 127.0.0.1, those that were closed within the last minute (TIME_WAIT) included."""
    target = f"0100007F:{port:04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="utf-8").splitlines()[1:]]
    listening = "0A"
    return sum(target in (columns[1], columns[2]) for columns in table if columns[3] != listening)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="there is no /proc/net/tcp here")
async def test_connections_to_the_service_are_kept(front: Front) -> None:
    """A hundred requests one after the other need a handful of new connections from the proxy to the service."""
    before = connections(front.service.port)
    await ask(front, "/openapi.json?[1-100]")
    assert connections(front.service.port) < before + 10
