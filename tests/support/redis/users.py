"""The way that deploy/ starts a Redis: its script, configuration and users, for the servers of the tests.

With SIDEDATA_TEST_DEPLOYED=1 (`make test-deployed`) every server that tests start is one of these. Tests look at it as `admin`;
each role of an installation connects by `as_user` and so has that user's rights and no others.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import redis
from redis.asyncio import ConnectionPool, Redis

from tests.support.paths import DEPLOY
from tests.support.redis.client import Client, of_pool

DEPLOYED = os.environ.get("SIDEDATA_TEST_DEPLOYED") == "1"
USERS = ("service", "worker", "producer", "operator", "monitor", "replica", "admin")

Whom = TypeVar("Whom")  # an address, or a client
As = Callable[..., redis.Redis]  # a connection as a user, with a password if it is not the usual one


def password(user: str) -> str:
    """The user's password here."""
    return f"password-of-{user}"


def login(url: str, user: str, secret: str) -> str:
    """The same address for somebody else."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(secret)}@{parts.netloc.rpartition('@')[2]}"))


class AccountSetup:
    """A server's script, list of users and passwords, in its directory; half of the passwords come by file, half by variable."""

    def __init__(self, directory: Path, binary: str) -> None:
        binaries, secrets = directory / "bin", directory / "secrets"
        for made in (binaries, secrets):
            made.mkdir()
        # The script runs whatever is called redis-server; here it is the server that all tests run with.
        (binaries / "redis-server").symlink_to(binary)
        self.environment = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "ACL_TEMPLATE": str(DEPLOY / "users.acl"),
            "ACL_FILE": str(directory / "users.acl"),
            "ACL_PASSWORDS": f"{secrets}/",
        }
        for user in USERS[::2]:
            (secrets / user).write_text(password(user) + "\n")
        for user in USERS[1::2]:
            self.environment[f"REDIS_PASSWORD_{user.upper()}"] = password(user)

    def command(self, *arguments: str) -> list[str]:
        """The command that starts it; the arguments come after redis.conf and override it."""
        return ["sh", str(DEPLOY / "redis-start.sh"), "run", str(DEPLOY / "redis.conf"), *arguments]


def as_user(user: str, whom: Whom) -> Whom:
    """The address or client of `admin` on a guarded server, for this user; on any other server the very same one.

    Such a client is closed together with the one that it was made from.
    """
    if isinstance(whom, str):
        admin = f"//admin:{password('admin')}@"
        return login(whom, user, password(user)) if admin in whom else whom  # type: ignore[return-value]
    if not isinstance(whom, Client) or not isinstance(whom.raw, Redis):
        return whom
    pool = whom.raw.connection_pool
    if pool.connection_kwargs.get("username") != "admin":
        return whom
    if user not in whom.others:
        options = {**pool.connection_kwargs, "username": user, "password": password(user)}
        whom.others[user] = of_pool(
            ConnectionPool(connection_class=pool.connection_class, max_connections=pool.max_connections, **options)
        )
    return whom.others[user]  # type: ignore[return-value]


def version(text: str) -> tuple[int, ...]:
    """Major and minor number in what a server says of itself."""
    found = re.search(r"v=(\d+)\.(\d+)", text)
    assert found is not None, text
    return tuple(map(int, found.groups()))
