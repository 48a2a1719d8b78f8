"""Each user of deploy/users.acl is refused what is not its work, on a real server."""

import re
import subprocess
from pathlib import Path

import pytest
import redis

from tests.support.paths import DEPLOY
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import USERS, As, login, password

EVENTS = "sd:{3}:events"
DEAD = "sd:{3}:dead"
COUNTS = "sd:{3}:day:o:w:2026-11-23T22:00Z:counts"

# Commands that only the administrator may run.
SERVER = [
    ("FLUSHALL",),
    ("KEYS", "*"),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    ("SHUTDOWN", "NOSAVE"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "service", "+@all"),
    ("SCRIPT", "FLUSH"),
    ("MONITOR",),
    ("REPLICAOF", "NO", "ONE"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("MIGRATE", "127.0.0.1", "1", "k", "0", "10"),
    ("PUBLISH", "channel", "x"),
    ("GET", "something:else"),
    ("SET", "something:else", "x"),
]
REFUSED: dict[str, list[tuple[str, ...]]] = {
    "service": [
        ("HSET", COUNTS, "started", "9"),
        ("HINCRBY", COUNTS, "started", "1"),
        ("DEL", COUNTS),
        ("EXPIRE", COUNTS, "1"),
        ("PFADD", "sd:{3}:day:o:w:2026-11-23T22:00Z:visitors", "v"),
        ("SET", "sd:{3}:lease", "me"),
        ("HSET", "sd:{3}:cursor", "fence", "9"),
        ("XREAD", "STREAMS", EVENTS, "0"),
        ("XADD", DEAD, "*", "reason", "x"),
        ("XDEL", DEAD, "1-0"),
        ("XTRIM", EVENTS, "MAXLEN", "0"),
        ("XDEL", EVENTS, "1-0"),
        ("XADD", "sd:{3}:workflow:o:w:events", "*", "event", "x"),
        ("SCAN", "0"),
        ("HSET", "sd:config", "partitions", "8"),
        ("HDEL", "sd:config", "secret"),
        ("HGETALL", "sd:tokens"),
        ("HSET", "sd:tokens", "x", "{}"),
        ("HDEL", "sd:tokens", "x"),
        ("SET", "sd:rate:x:1", "0"),
        ("EVAL", "return redis.call('HSET', KEYS[1], 'started', 9)", "1", COUNTS),
        ("EVAL", "return redis.call('DEL', KEYS[1])", "1", COUNTS),
        ("EVAL", "return redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)", "1", EVENTS),
        ("EVAL", "return redis.call('HSET', 'sd:tokens', 'x', '{}')", "0"),
    ],
    "worker": [
        ("HGET", "sd:tokens", "x"),
        ("HSET", "sd:tokens", "x", "{}"),
        ("HSET", "sd:config", "partitions", "8"),
        ("HDEL", "sd:config", "secret"),
        ("XADD", EVENTS, "*", "event", "x"),
        ("INCR", "sd:rate:x:1"),
        ("EVAL", "return redis.call('HGETALL', 'sd:tokens')", "0"),
        ("EVAL", "return redis.call('XADD', KEYS[1], '*', 'event', 'x')", "1", EVENTS),
    ],
    "producer": [
        ("PING",),
        ("INFO",),
        ("XLEN", EVENTS),
        ("XREAD", "STREAMS", EVENTS, "0"),
        ("XRANGE", EVENTS, "-", "+"),
        ("XDEL", EVENTS, "1-0"),
        ("XTRIM", EVENTS, "MAXLEN", "0"),
        ("DEL", EVENTS),
        ("XADD", DEAD, "*", "reason", "x"),
        ("XADD", "sd:{3}:x:events", "*", "event", "x"),
        ("XADD", "sd:{x}:events", "*", "event", "x"),
        ("XADD", "other", "*", "event", "x"),
        ("HGETALL", "sd:config"),
        ("HGETALL", COUNTS),
        ("SCAN", "0"),
        ("EVAL", "return 1", "0"),
        ("EVAL", "return redis.call('XLEN', KEYS[1])", "1", EVENTS),
    ],
    "operator": [("EVAL", "return redis.call('SET', 'something:else', 'x')", "0"), ("FUNCTION", "LIST")],
    "monitor": [("HGETALL", COUNTS), ("XLEN", EVENTS), ("SCAN", "0"), ("EVAL", "return 1", "0"), ("DBSIZE",)],
    "replica": [("HGETALL", COUNTS), ("INFO",), ("SCAN", "0"), ("EVAL", "return 1", "0")],
}
CASES = [(user, command) for user, own in REFUSED.items() for command in own + SERVER]


@pytest.mark.parametrize(("user", "command"), CASES, ids=[f"{user} {' '.join(command)}" for user, command in CASES])
def test_a_user_is_refused_what_is_not_its_work(as_user: As, user: str, command: tuple[str, ...]) -> None:
    """Redis says so, and what is stored is as it was."""
    admin = as_user("admin")
    admin.hset(COUNTS, "started", "1")
    admin.xadd(EVENTS, {"event": "{}"})
    before = {key: admin.dump(key) for key in admin.scan_iter()}
    with pytest.raises(redis.ResponseError) as refusal:
        as_user(user).execute_command(*command)  # type: ignore[no-untyped-call]
    assert isinstance(refusal.value, redis.exceptions.NoPermissionError) or re.search(
        "ACL failure in script|can't run this command|can't access", str(refusal.value)
    ), refusal.value
    assert {key: admin.dump(key) for key in admin.scan_iter()} == before


def test_nobody_gets_in_without_a_name(guarded: RedisServer) -> None:
    """The default user is off, with and without a password."""
    nameless = login(guarded.url, "", "").replace(":@", "")
    with redis.Redis.from_url(nameless) as anonymous, pytest.raises(redis.AuthenticationError):
        anonymous.ping()
    with redis.Redis.from_url(login(guarded.url, "default", "x")) as named, pytest.raises(redis.AuthenticationError):
        named.ping()


def test_the_service_sets_what_is_missing_in_the_configuration_and_nothing_else(as_user: As) -> None:
    """HSETNX: a service may be the first process on an empty store, and can't change what another has fixed."""
    service = as_user("service")
    assert service.hsetnx("sd:config", "partitions", "16") == 1
    assert service.hsetnx("sd:config", "partitions", "8") == 0
    assert service.hgetall("sd:config") == {b"partitions": b"16"}


def test_the_exporter_sees_the_server(as_user: As) -> None:
    """The exporter's user may send what redis_exporter sends without CONFIG: INFO, slow log, latency."""
    monitor = as_user("monitor")
    assert monitor.info()["maxmemory_policy"] == "noeviction"
    for command in (("SLOWLOG", "LEN"), ("SLOWLOG", "GET"), ("LATENCY", "LATEST"), ("LATENCY", "HISTOGRAM")):
        monitor.execute_command(*command)  # type: ignore[no-untyped-call]


def test_the_server_is_configured_as_its_file_says(as_user: As) -> None:
    """Every directive of redis.conf is in force, but those that the test replaces."""
    said = as_user("admin").config_get("*")
    lines = [line.split(maxsplit=1) for line in (DEPLOY / "redis.conf").read_text().splitlines()]
    for name, value in [line for line in lines if line and line[0] != "#"]:
        if name in ("port", "dir", "aclfile", "save", "supervised"):
            continue
        wanted = re.sub(r"^(\d+)(mb|gb)$", lambda m: str(int(m[1]) << {"mb": 20, "gb": 30}[m[2]]), value.strip('"'))
        assert said[name] == wanted, name
    assert said["save"] == "3600 1"


def test_what_is_written_survives_a_crash(guarded: RedisServer) -> None:
    """The append-only file is written before the reply, and is read completely: single writes and those of a script."""
    users = {user: redis.Redis.from_url(login(guarded.url, user, password(user))) for user in ("producer", "worker")}
    with redis.Redis.from_url(guarded.url) as admin:
        admin.flushall()
        admin.config_set("appendfsync", "always")  # a disk that is busy holds back the write of `everysec`, too
    users["producer"].xadd(EVENTS, {"event": "{}"})
    commit = "redis.call('HSET', KEYS[1], 'started', 1) redis.call('XADD', KEYS[2], '*', 'a', 'b')"
    commit += (
        " redis.call('PFADD', KEYS[3], 'v') redis.call('PFCOUNT', KEYS[3])"  # which writes, too: the count it keeps
    )
    sketch = COUNTS.replace("counts", "visitors")
    users["worker"].eval(f"{commit} redis.call('PEXPIRE', KEYS[1], 9000000)", 3, COUNTS, DEAD, sketch)
    with redis.Redis.from_url(guarded.url) as admin:
        before = {key: admin.dump(key) for key in admin.scan_iter()}
        assert len(before) == 4
        guarded.kill()
        guarded.start()
        assert {key: admin.dump(key) for key in admin.scan_iter()} == before
    assert "CRITICAL" not in (guarded.directory / "log").read_text(encoding="utf-8")
    for client in users.values():
        client.close()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
def test_no_password_is_in_the_list_or_the_environment_of_the_server(guarded: RedisServer) -> None:
    """The list holds hashes, in a file for its owner alone; the variables that brought passwords are gone."""
    rendered = guarded.directory / "users.acl"
    assert rendered.stat().st_mode & 0o077 == 0
    environment = Path(f"/proc/{guarded.pid}/environ").read_text(encoding="utf-8")
    for user in USERS:
        assert password(user) not in rendered.read_text()
        assert password(user) not in environment


def test_two_lines_are_two_passwords_and_none_is_off(guarded: RedisServer) -> None:
    """So a password is changed while everybody stays connected, and a user that was given none can't be used."""
    secrets = guarded.directory / "other"
    secrets.mkdir(exist_ok=True)
    (secrets / "worker").write_text("old\nnew")
    listed = guarded.directory / "other.acl"
    assert guarded.guard is not None
    path = guarded.guard.environment["PATH"]
    environment = {"PATH": path, "ACL_TEMPLATE": str(DEPLOY / "users.acl"), "ACL_FILE": str(listed)}
    script = ["sh", str(DEPLOY / "redis-start.sh"), "render"]
    subprocess.run(script, env=environment | {"ACL_PASSWORDS": f"{secrets}/"}, check=True, timeout=10)
    lines = {line.split()[1]: line.split()[2:] for line in listed.read_text().splitlines()}
    assert lines["worker"][0] == "on"
    assert sum(word.startswith("#") for word in lines["worker"]) == 2
    assert all(lines[user][0] == "off" for user in (*USERS, "default") if user != "worker")
