"""Fixtures for all tests: a real Redis of our own, a client for it, and a watch over tasks left behind."""

import asyncio
import gc
import inspect
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tests.support.browser.chromium import VARIABLE, Page, chromium, find_chromium, new_page
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import RedisServer, find_binary, talked, version_text
from tests.support.redis.users import DEPLOYED, version

# Servers and loops make the first example slow and the others not, which Hypothesis would take for flakiness.
settings.register_profile(
    "sidedata",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("sidedata")


@pytest.fixture(scope="module", autouse=True)
def _small_heap() -> None:
    """Hide the objects of earlier modules from the collector: after some thousand tests a full collection took over a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose Hypothesis's seed where none was given, so that the header can name it, and leave the terminal's size out."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # set in a worker of xdist, where tables would be folded to them
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = secrets.randbelow(2**32)
    if DEPLOYED and version(version_text(find_binary())) < (7, 0):
        raise pytest.UsageError("deploy/users.acl needs Redis 7.0 or Valkey: set SIDEDATA_TEST_REDIS_SERVER")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer a run of the tests that hold a part of the contract."""
    parser.addoption("--holds", metavar="NUMBER", help="run the tests of a section or paragraph of docs/CONTRACT.md")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --holds, leave out the tests that hold nothing of that section or paragraph."""
    wanted: str | None = config.option.holds
    if wanted is None:
        return
    held = [[str(number) for marker in item.iter_markers("holds") for number in marker.args] for item in items]
    kept = [any(f"{number}.".startswith(f"{wanted}.") for number in numbers) for numbers in held]
    config.hook.pytest_deselected(items=[item for item, keep in zip(items, kept, strict=True) if not keep])
    items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """On servers as deployed, leave out what says why it can't run there."""
    marker = item.get_closest_marker("undeployed")
    if DEPLOYED and marker:
        pytest.skip(f"not on a server as deployed: {marker.args[0]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the number of tests that used servers with the configuration and users of deploy/."""
    if DEPLOYED:
        passed = sum(report.nodeid in talked for report in terminalreporter.stats.get("passed", []))
        terminalreporter.write_line(f"{passed} tests passed on servers with deploy/redis.conf and deploy/users.acl")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which server the tests talk to, and how to repeat their random choices."""
    try:
        binary = find_binary()
        server = f"{version_text(binary)} ({binary}){' as deploy/ has it' if DEPLOYED else ''}"
    except RuntimeError as error:
        server = str(error)
    return [f"redis: {server}", f"hypothesis: repeat with --hypothesis-seed={config.option.hypothesis_seed}"]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server that most tests share; to be flushed, never to be killed, frozen or reconfigured."""
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of the shared server, empty."""
    redis_server.flush()
    return redis_server.url


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A client of the shared, empty server."""
    connected = connect(redis_url, timeout=5)
    try:
        yield connected
    finally:
        await connected.aclose()


@pytest.fixture
def private_server() -> Iterator[Callable[..., RedisServer]]:
    """Start a server for this test alone, with command-line arguments such as `"--appendonly", "yes"`."""
    servers: list[RedisServer] = []

    def start(*arguments: str) -> RedisServer:
        server = RedisServer(*arguments)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    """A browser for the tests of a module, each of which gets a context of its own: starting one takes a second."""
    binary = find_chromium()
    if binary is None:
        pytest.skip(f"no chromium on PATH; install one or set {VARIABLE}")
    profile = Path(tempfile.mkdtemp(prefix="sidedata-chromium-"))
    try:
        with chromium(binary, profile) as address:
            yield address
    finally:
        shutil.rmtree(profile, ignore_errors=True)  # a browser may still write while it is removed


@pytest_asyncio.fixture
async def page(browser: str) -> AsyncIterator[Page]:
    """A browser's tab, nothing open; at the end nothing went wrong in it that the test didn't take away.

    A test names it behind the service that it opens, so that it is closed first: it would miss that service.
    """
    async with new_page(browser) as opened:
        yield opened
        assert opened.faults == []


@pytest.fixture(autouse=True)
def _no_task_left(request: pytest.FixtureRequest) -> None:
    """Where a test is a coroutine, fail it for tasks that outlive it."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("watched_tasks")


@pytest_asyncio.fixture
async def watched_tasks() -> AsyncIterator[None]:
    """At the end, every task started since is done, or is within a second."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=1)
    assert not left, f"the test left tasks running: {left}"
