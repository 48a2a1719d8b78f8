"""Wheel and source distribution, installed into clean environments beside other packages of the same old names."""

import json
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from tests.support.constants import ORG
from tests.support.events import PAGES
from tests.support.pipeline import pipeline
from tests.support.redis.users import as_user
from tests.support.repository.packages import Environment, build_sdist, build_wheel, copy_sources, run

pytestmark = [pytest.mark.undeployed("`sidedata up` brings a Redis of its own"), pytest.mark.timeout(300)]

# Packages of PyPI that own the names under which sidedata's parts were once installed.
NAMESAKES = ("service", "store")
LIMIT_SECONDS = 30.0

PRODUCE = """
import asyncio, os, sys
from datetime import UTC, datetime
from sidedata import Producer, SyncProducer

def seen(visitor):
    return {
        "type": "page_view", "organization_id": os.environ["ORG"], "workflow_id": os.environ["PAGES"],
        "visitor_id": visitor, "session_id": visitor, "timestamp": datetime.now(UTC),
    }

async def main():
    async with Producer(os.environ["REDIS"]) as producer:
        await producer.send(seen("ann"))

asyncio.run(main())
with SyncProducer(os.environ["REDIS"]) as producer:
    producer.send(seen("bob"))
import service, store
print(service.__file__, store.__file__)
print(*({"aiohttp", "click", "numpy", "orjson", "prometheus_client", "rich", "uvloop"} & set(sys.modules)))
"""


class Built(NamedTuple):
    """Both distributions of this checkout."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Wheel and source distribution, built in a folder of their own."""
    source = tmp_path_factory.mktemp("checkout")
    copy_sources(source)
    sdist = build_sdist(source, tmp_path_factory.mktemp("sdist"))
    return Built(build_wheel(source, tmp_path_factory.mktemp("wheel")), sdist)


@pytest.fixture(scope="module")
def namesakes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Wheels of PyPI's `service` and `store`, the newest versions."""
    try:
        return [str(build_wheel(name, tmp_path_factory.mktemp(name))) for name in NAMESAKES]
    except AssertionError as error:
        pytest.skip(f"PyPI is out of reach: {str(error)[-300:]}")


@pytest.fixture(scope="module")
def plain(built: Built, namesakes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment as producers have it: the wheel without extras, the namesakes installed after it."""
    environment = Environment(tmp_path_factory.mktemp("plain"))
    environment.install(str(built.wheel))
    environment.install(*namesakes)
    return environment


@pytest.fixture(scope="module")
def whole(built: Built, namesakes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with both extras, from the source distribution; the namesakes were there before."""
    environment = Environment(tmp_path_factory.mktemp("whole"))
    environment.install(*namesakes)
    wheel = build_wheel(built.sdist, tmp_path_factory.mktemp("wheel-of-sdist"))
    environment.install(f"{wheel}[server,embedded]")
    return environment


def files(wheel: Path) -> set[str]:
    """The files that a wheel installs, by its RECORD."""
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith("/RECORD"))
        return {line.split(",")[0] for line in archive.read(record).decode().splitlines()}


def test_the_wheel_owns_one_name(built: Built, tmp_path: Path) -> None:
    """All is below `sidedata/`: scripts, pages and the marker of types, too; and so it is by way of the source distribution."""
    found = files(built.wheel)
    assert {name.split("/")[0] for name in found if ".dist-info/" not in name} == {"sidedata"}
    wanted = {"sidedata/py.typed", "sidedata/redis/scripts/commit/commit.lua", "sidedata/service/__init__.py"}
    assert wanted <= found
    assert any(name.startswith("sidedata/service/pages/") and name.endswith(".html") for name in found)
    assert any(name.startswith("sidedata/ingest/") for name in found)
    assert files(build_wheel(built.sdist, tmp_path)) == found


async def test_a_plain_installation_produces(plain: Environment, redis_url: str, tmp_path: Path) -> None:
    """It needs none of the service's packages, and the namesakes are still themselves."""
    async with pipeline(redis_url, partitions=4) as pipe:
        variables = {**plain.variables, "REDIS": as_user("operator", redis_url), "ORG": ORG, "PAGES": PAGES}
        done = run([plain.python, "-c", PRODUCE], directory=tmp_path, variables=variables)
        places, heavy = done.stdout.splitlines()
        assert places.count("/site-packages/") == 2
        assert heavy == ""
        await pipe.drain()
        assert await pipe.reasons() == []


def test_a_plain_installation_names_the_extra_of_the_command_line(plain: Environment, tmp_path: Path) -> None:
    """One line on stderr, status 1; by both ways to start it."""
    for command in ([f"{plain.bin}/sidedata", "up"], [str(plain.python), "-m", "sidedata", "--help"]):
        done = run(command, directory=tmp_path, variables=plain.variables, status=1)
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert "pip install 'sidedata[server]'" in line


def test_a_command_names_the_extra_that_it_lacks(plain: Environment, tmp_path: Path) -> None:
    """With click alone the command line starts, and each command says what is missing for it."""
    (tmp_path / "click").symlink_to(Path(click.__file__).parent)
    variables = {**plain.variables, "PYTHONPATH": str(tmp_path)}
    for command in ("serve", "worker", "up", "inspect", "doctor"):
        done = run([plain.bin / "sidedata", command], directory=tmp_path, variables=variables, status=1)
        (line,) = done.stderr.splitlines()
        assert f"`sidedata {command}` needs" in line
        assert "pip install 'sidedata[server]'" in line
    finder = "from sidedata.embedded.server_binary import find_servers; find_servers()"
    done = run([plain.python, "-c", finder], directory=tmp_path, variables={**variables, "PATH": ""}, status=1)
    assert "there is no Redis to start: pip install 'sidedata[embedded]'" in done.stderr


@pytest.mark.parametrize("shop", [False, True], ids=["elsewhere", "project"])
def test_all_of_it_runs_beside_namesakes(whole: Environment, tmp_path: Path, *, shop: bool) -> None:
    """`sidedata up`, producers and a report over HTTP, also where the project has a `store` and a `service` of its own."""
    if shop:
        for name in ("service", "store", "ingest"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "produce.py").write_text(PRODUCE, encoding="utf-8")
    with up(whole, tmp_path) as address:
        redis = f"unix://{tmp_path}/.sidedata/redis.sock"
        variables = {**whole.variables, "REDIS": redis, "ORG": ORG, "PAGES": PAGES, "SIDEDATA_REDIS_URL": redis}
        command = [f"{whole.bin}/sidedata", "token", "create", "--org", ORG, "--scope", "reports"]
        token = run(command, directory=tmp_path, variables=variables).stdout.strip()
        done = run([whole.python, "produce.py"], directory=tmp_path, variables=variables)
        assert done.stdout.splitlines()[0].count(str(tmp_path)) == (2 if shop else 0)
        limit = time.monotonic() + LIMIT_SECONDS
        while (answer := report(address, token))["unique_visitors_count"] != 2:
            assert time.monotonic() < limit, answer
            time.sleep(0.05)


@contextmanager
def up(environment: Environment, directory: Path) -> Iterator[str]:
    """`sidedata up` in a directory, for as long as the context lasts; the address of its service."""
    log = directory / "up.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [environment.bin / "sidedata", "up", "--port", "0", "--worker-port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment.variables,
            cwd=directory,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "sidedata is up on " in line:
                yield line.partition("sidedata is up on ")[2].split(",")[0].strip()
                break
        else:
            raise AssertionError(log.read_text(encoding="utf-8"))
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_SECONDS)


def report(address: str, token: str) -> dict[str, int]:
    """The report on the last hour."""
    now = datetime.now(UTC)
    interval = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    request = urllib.request.Request(  # noqa: S310 - of the service that the test started
        f"{address}/api/reporting/workflow/v1/orgs/{ORG}/workflows/{PAGES}/sidedata/",
        json.dumps({"interval": interval}).encode(),
        {"Authorization": f"Token {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as response:  # noqa: S310 - the same
        answer: dict[str, int] = json.load(response)
    return answer
