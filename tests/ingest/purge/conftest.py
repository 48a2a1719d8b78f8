"""The server of the purges here."""

from collections.abc import Callable

import pytest

from tests.support.redis.servers import RedisServer


@pytest.fixture
def server(private_server: Callable[..., RedisServer]) -> RedisServer:
    """A server whose dump can be searched."""
    return private_server("--rdbcompression", "no")
