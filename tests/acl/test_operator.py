"""The user `operator` may look at the server, as the first steps of the runbook's pages ask, and may not change it."""

import re

import pytest
import redis

from tests.support.redis.users import As
from tests.support.repository.deploy_files import RUNBOOK

LOOKS = [
    ("INFO",),
    ("INFO", "persistence"),
    ("LATENCY", "LATEST"),
    ("LATENCY", "HISTORY", "fork"),
    ("LATENCY", "DOCTOR"),
    ("SLOWLOG", "GET", "10"),
    ("SLOWLOG", "LEN"),
    ("ACL", "LOG", "10"),
    ("ACL", "WHOAMI"),
    ("CLIENT", "LIST"),
    ("MEMORY", "STATS"),
    ("DBSIZE",),
    ("XRANGE", "sd:{3}:events", "-", "+", "COUNT", "1"),
]
CHANGES = [
    ("SLOWLOG", "RESET"),
    ("LATENCY", "RESET"),
    ("CLIENT", "KILL", "USER", "worker"),
    ("CONFIG", "GET", "masterauth"),
    ("BGSAVE",),
    ("BGREWRITEAOF",),
    ("FAILOVER",),
]


def test_the_operator_may_look(as_user: As) -> None:
    """Redis answers each of them."""
    operator = as_user("operator")
    for command in LOOKS:
        operator.execute_command(*command)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("command", CHANGES, ids=" ".join)
def test_the_operator_may_not_change_the_server(as_user: As, command: tuple[str, ...]) -> None:
    """Neither its records nor its connections, files, settings and role."""
    with pytest.raises(redis.exceptions.NoPermissionError):
        as_user("operator").execute_command(*command)  # type: ignore[no-untyped-call]


def test_every_command_that_the_runbook_gives_the_operator_is_allowed(as_user: As) -> None:
    """Whatever stands behind `redis-cli --user operator` on the page, as it stands there."""
    written = re.findall(r"redis-cli --user operator ([A-Z][A-Z]+[^`#\n|;]*)", RUNBOOK.read_text(encoding="utf-8"))
    assert len(written) > 5
    operator = as_user("operator")
    for line in written:
        operator.execute_command(*line.replace("…", "").split())  # type: ignore[no-untyped-call]
