"""On the way: TLS to Redis with client certificates, proxies in front, pages of other origins, headers of the pages."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from sidedata.embedded.server import redis_url as address_of
from sidedata.errors import StopError, StoreUnavailableError, UsageError
from sidedata.redis.redis_errors import translated
from sidedata.settings import Settings, read_settings
from sidedata.writes.installation import open_installation
from tests.support.ports import free_port
from tests.support.processes.service import QUERY, SIDEDATA, world
from tests.support.redis.certificates import Certificates, lacks_tls
from tests.support.redis.client import connect
from tests.support.redis.servers import find_binary


class Tls(NamedTuple):
    """A server that takes nothing but TLS and known clients, and the files to come in with."""

    port: int
    certificates: Certificates

    def url(self, *, known: bool = True, trusting: bool = True, host: str = "127.0.0.1") -> str:
        """Its address as it stands in SIDEDATA_REDIS_URL."""
        return f"rediss://{host}:{self.port}/0?{self.certificates.for_client(known=known, trusting=trusting)}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """A Redis with certificates of an authority of our own, made for this module."""
    directory = tmp_path_factory.mktemp("tls")
    made, log = Tls(free_port(), Certificates(directory)), directory / "redis.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                *(find_binary(), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)),
                *made.certificates.for_server(made.port),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        _await(server, made, log)
        yield made
    finally:
        server.kill()
        server.wait()


def _await(server: "subprocess.Popen[bytes]", made: Tls, log: Path) -> None:
    admin = redis.Redis.from_url(made.url())
    for _ in range(500):
        if server.poll() is not None:
            assert lacks_tls(said := log.read_text(encoding="utf-8")), said
            pytest.skip("this redis-server was built without TLS")
        try:
            admin.ping()
        except redis.ConnectionError:
            time.sleep(0.01)
        else:
            admin.close()
            return
    pytest.fail("the server with TLS didn't start")


async def test_tls_with_a_client_certificate(tls: Tls) -> None:
    """The files are named in the address, with a password where there is one; no setting of its own is needed."""
    settings = Settings(redis_url=tls.url(), secret="s")  # noqa: S106 - of this test
    async with address_of(settings) as url:
        client = connect(url, timeout=2)
        try:
            assert (await open_installation(client, settings)).partitions == 16
        finally:
            await client.aclose()


@pytest.mark.parametrize(
    ("known", "trusting", "host"), [(False, True, "127.0.0.1"), (True, False, "127.0.0.1"), (True, True, "localhost")]
)
async def test_tls_is_refused(tls: Tls, known: bool, trusting: bool, host: str) -> None:  # noqa: FBT001 - parameters
    """Without a certificate, for a server of an unknown authority, or of another name, nothing is said in either direction."""
    client = connect(tls.url(known=known, trusting=trusting, host=host), timeout=2)
    try:
        with pytest.raises(StoreUnavailableError) as refusal, translated():
            await client.ping()
        assert len(str(refusal.value).splitlines()) == 1
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "rediss://:geheim@127.0.0.1:1/0?ssl_ca_cert=/typo",
        "rediss://:geheim@127.0.0.1:1/0?ssl_cert_reqs=maybe",
        "redis://:geheim@127.0.0.1:1/0?colour=green",
        "redis://:geheim@127.0.0.1:1/0?db=x",
        "redis://:geheim@127.0.0.1:one",
    ],
)
async def test_an_address_that_makes_no_sense_is_refused_at_once(url: str) -> None:
    """A parameter that the client does not know ends in one line, and the password isn't in it."""
    with pytest.raises((UsageError, StopError)) as refusal:
        connect(url, timeout=1)
    assert "geheim" not in str(refusal.value)


async def test_files_that_are_not_there_are_an_error_in_one_line(tmp_path: Path) -> None:
    """The error for unreadable certificates names them."""
    client = connect(f"rediss://127.0.0.1:1/0?ssl_ca_certs={tmp_path}/none", timeout=1)
    try:
        with pytest.raises((StoreUnavailableError, StopError)), translated():
            await client.ping()
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ("", "192.0.2.1", None),  # no address in the log unless it was asked for
        ("10.0.0.0/8", "192.0.2.1", "127.0.0.1"),
        ("127.0.0.1/32", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.0/8", "192.0.2.9, 192.0.2.1", "192.0.2.1"),  # what the client itself said of others is not believed
        ("127.0.0.0/8, 192.0.2.0/28", "198.51.100.7, 192.0.2.1", "198.51.100.7"),
        ("127.0.0.0/8", "192.0.2.1:4711", "192.0.2.1"),
        ("127.0.0.0/8", "[2001:db8::1]:4711", "2001:db8::1"),
        ("127.0.0.0/8", "nonsense", "127.0.0.1"),
        ("127.0.0.0/8", "192.0.2.1, nonsense", "127.0.0.1"),
        ("127.0.0.0/8", ", ,", "127.0.0.1"),
        ("127.0.0.0/8", "127.0.0.2, " * 3000, "127.0.0.1"),
    ],
)
async def test_the_log_names_who_asked_where_proxies_are_trusted(
    caplog: pytest.LogCaptureFixture, trusted: str, forwarded: str, client: str | None
) -> None:
    """The last address, seen from us, that is no trusted proxy's."""
    with caplog.at_level("INFO", logger="sidedata.request"):
        async with world(trusted_proxies=trusted) as ours:
            await ours.ask("GET", "/livez", headers={"X-Forwarded-For": forwarded[:8000]})
    (fields,) = [vars(record)["fields"] for record in caplog.records if record.name == "sidedata.request"]
    assert fields.get("client") == client


async def test_proxies_that_are_no_networks_are_refused() -> None:
    """At the start, by the setting's name."""
    with pytest.raises(UsageError, match="SIDEDATA_TRUSTED_PROXIES"):
        async with world(trusted_proxies="my proxy"):
            pass


HERE, THERE = "https://a.example", "https://b.example:8443"
_ASK = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


async def test_no_other_origin_may_ask_unless_it_is_listed() -> None:
    """Without the setting there is no word of it in any answer."""
    async with world() as ours:
        asked = await ours.ask("OPTIONS", SIDEDATA, headers={"Origin": HERE, **_ASK}, token=None)
        heard = await ours.ask("GET", f"{SIDEDATA}?{QUERY}", headers={"Origin": HERE})
    assert asked.status == 405
    assert heard.status == 200
    for answer in (asked, heard):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("origin", "allowed"), [(HERE, True), (THERE, True), ("https://a.example.evil", False), ("null", False)]
)
async def test_listed_origins_may_ask(origin: str, allowed: bool) -> None:  # noqa: FBT001 - a parameter
    """A listed one is named in preflight, answer and refusal; others aren't, and caches keep them apart."""
    async with world(cors_origins=f"{HERE}, {THERE}") as ours:
        asked = await ours.ask("OPTIONS", SIDEDATA, headers={"Origin": origin, **_ASK}, token=None)
        heard = await ours.ask("GET", f"{SIDEDATA}?{QUERY}", headers={"Origin": origin})
        refused = await ours.ask("GET", f"{SIDEDATA}?{QUERY}", headers={"Origin": origin}, token=None)
        plain = await ours.ask("OPTIONS", SIDEDATA, token=None)
    assert asked.status == (200 if allowed else 405)
    assert (heard.status, refused.status, plain.status) == (200, 401, 405)
    json.loads(asked.body)
    for answer in (asked, heard, refused):
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert heard.headers["Vary"] == "Authorization, Origin"
    if allowed:
        assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
        assert set(asked.headers["Access-Control-Allow-Methods"].split(", ")) == {"GET", "HEAD", "POST", "PUT"}
        assert {"Link", "Sidedata-Effective-Interval"} <= set(
            heard.headers["Access-Control-Expose-Headers"].split(", ")
        )


@pytest.mark.parametrize(
    "listed", ["*", "a.example", "https://a.example/path", "https://a.example,,", "ftp://a.example"]
)
def test_what_is_no_origin_is_refused(listed: str) -> None:
    """Above all the star: to allow all origins, each must be listed."""
    with pytest.raises(UsageError, match="SIDEDATA_CORS_ORIGINS"):
        read_settings({"cors_origins": listed}, {})
