"""A guarded server for all tests here, and connections of its users."""

from collections.abc import Callable, Iterator

import pytest
import redis

from tests.acl.server import GuardedServer, version

As = Callable[..., redis.Redis]


@pytest.fixture(scope="session")
def guarded() -> Iterator[GuardedServer]:
    """The server; skips where it is older than selectors and read-only patterns."""
    if version() < (7, 0):
        pytest.skip("users.acl needs Redis 7.0: %R~ and selectors")
    server = GuardedServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def as_user(guarded: GuardedServer) -> Iterator[As]:
    """Connect as a user, on an empty server."""
    made: list[redis.Redis] = []

    def connected(user: str, secret: str = "") -> redis.Redis:
        client = redis.Redis.from_url(guarded.url(user, secret))
        made.append(client)
        return client

    connected("admin").flushall()
    yield connected
    for client in made:
        client.close()
