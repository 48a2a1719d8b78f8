"""A guarded server for all tests here, and connections of its users."""

from collections.abc import Iterator

import pytest
import redis

from tests.support.redis.servers import RedisServer, find_binary, version_text
from tests.support.redis.users import As, login, password, version


@pytest.fixture(scope="session")
def guarded() -> Iterator[RedisServer]:
    """The server; skips where it is older than selectors and read-only patterns."""
    if version(version_text(find_binary())) < (7, 0):
        pytest.skip("users.acl needs Redis 7.0: %R~ and selectors")
    server = RedisServer(guarded=True)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def as_user(guarded: RedisServer) -> Iterator[As]:
    """Connect as a user, on an empty server."""
    made: list[redis.Redis] = []

    def connected(user: str, secret: str = "") -> redis.Redis:
        client = redis.Redis.from_url(login(guarded.url, user, secret or password(user)))
        made.append(client)
        return client

    guarded.flush()
    yield connected
    for client in made:
        client.close()
