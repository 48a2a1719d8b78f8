"""Commands on a terminal: questions before a deletion, tables of 80 columns, the lines of several processes."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from sidedata.cli.main import cli
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from tests.support.constants import ORG
from tests.support.events import POPUP
from tests.support.processes.command_line import Sidedata, one_line
from tests.support.processes.terminal import Terminal
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user

DEAD = keys.keyspace(5).dead
RECORD = keys.keyspace(Installation(16).partition_of(ORG)).organization(ORG)


@pytest.fixture
def stored(sidedata: Sidedata, redis_url: str) -> Iterator[redis.Redis]:
    """An organization and a workflow, and a client that can look."""
    sidedata("org", "set", ORG, "--timezone", "Europe/Helsinki")
    sidedata("workflow", "set", ORG, POPUP, "--kind", "interaction", "--name", "Newsletter pop-up, the large one")
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.mark.holds("8.6")
def test_a_purge_asks_on_a_terminal(stored: redis.Redis) -> None:
    """It names the organization and the amounts; a no deletes nothing and exits with 1, a yes deletes."""
    with Terminal("purge", "--org", ORG) as terminal:
        terminal.until("[y/N]")
        assert re.search(rf"organization {ORG}: [1-9] keys, 0 dead letters", terminal.text)
        terminal.type("n")
        assert terminal.end() == 1
    assert "nothing was deleted" in terminal.text
    assert stored.exists(RECORD)
    with Terminal("purge", "--org", ORG) as terminal:
        terminal.until("[y/N]")
        terminal.type("y")
        assert terminal.end() == 0
    assert re.search("deleted [1-9] keys", terminal.text)
    assert not stored.exists(RECORD)


@pytest.mark.holds("8.6")
@pytest.mark.parametrize("flag", ["--yes", "--dry-run"])
def test_a_purge_that_need_not_ask_goes_on(stored: redis.Redis, flag: str) -> None:
    """With --yes, and where nothing is deleted."""
    with Terminal("purge", "--org", ORG, flag) as terminal:
        assert terminal.end() == 0
    assert "[y/N]" not in terminal.text
    assert stored.exists(RECORD) == (flag == "--dry-run")


@pytest.mark.holds("8.6")
def test_a_purge_without_a_terminal_goes_on(sidedata: Sidedata, stored: redis.Redis) -> None:
    """A script can answer no question."""
    assert sidedata("purge", "--org", ORG).exit_code == 0
    assert not stored.exists(RECORD)


@pytest.fixture
def letters(redis_url: str) -> Iterator[redis.Redis]:
    """Three dead letters, and a client that can look."""
    with redis.Redis.from_url(redis_url) as client:
        for reason in ("too_old", "too_old", "in_future"):
            client.xadd(DEAD, {"reason": reason, "event": "{}", "organization": ORG})
        yield client


@pytest.mark.holds("8.6")
@pytest.mark.usefixtures("sidedata")
def test_dropping_dead_letters_asks_on_a_terminal(letters: redis.Redis) -> None:
    """It says whose letters and how many; a no deletes nothing and exits with 1, a yes deletes."""
    line = ("dead", "drop", "--all", "--org", ORG, "--reason", "too_old")
    with Terminal(*line) as terminal:
        terminal.until("[y/N]")
        assert f"2 too_old of {ORG}" in terminal.text
        assert f"Delete 2 dead letters of {ORG} of the reason too_old?" in terminal.text.replace("\n", "")
        terminal.type("n")
        assert terminal.end() == 1
    assert "nothing was deleted" in terminal.text
    assert letters.xlen(DEAD) == 3
    with Terminal(*line) as terminal:
        terminal.until("[y/N]")
        terminal.type("y")
        assert terminal.end() == 0
    assert "2 dead letters deleted" in terminal.text
    assert letters.xlen(DEAD) == 1


@pytest.mark.holds("8.6")
def test_dropping_dead_letters_by_id_asks_on_a_terminal(sidedata: Sidedata, letters: redis.Redis) -> None:
    """Ids that are named twice count once; the end of the input is a no."""
    shown = sidedata("dead", "list", "--json").stdout.splitlines()
    ids = [json.loads(line)["id"] for line in shown]
    with Terminal("dead", "drop", *ids, ids[0]) as terminal:
        terminal.until("[y/N]")
        assert "Delete 3 dead letters?" in terminal.text
        terminal.type("\x04")
        assert terminal.end() == 1
    assert letters.xlen(DEAD) == 3


@pytest.mark.holds("8.6")
def test_dropping_dead_letters_with_yes_asks_nothing(sidedata: Sidedata, letters: redis.Redis) -> None:
    """On a terminal with `--yes`, and without a terminal."""
    with Terminal("dead", "drop", "--all", "--reason", "too_old", "--yes") as terminal:
        assert terminal.end() == 0
    assert "[y/N]" not in terminal.text
    assert letters.xlen(DEAD) == 1
    assert sidedata("dead", "drop", "--all").exit_code == 0
    assert letters.xlen(DEAD) == 0


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "line",
    [
        *("org list", f"workflow list {ORG}", "token list", "dead list", "status", "doctor"),
        *("inspect --all", "inspect --memory --workflows"),
    ],
)
def test_tables_fit_80_columns(sidedata: Sidedata, redis_url: str, line: str) -> None:
    """Names of workers, texts and several scopes included."""
    sidedata("token", "create", "--org", ORG, "--scope", "reports", "--scope", "ingest", "--name", "of the dashboard")
    with redis.Redis.from_url(redis_url) as client:
        whose = {"organization": ORG, "workflow": POPUP, "type": "interaction", "at": "2026-11-28T10:00:00.000Z"}
        dead = client.xadd(
            keys.keyspace(5).dead, whose | {"reason": "workflow_kind_mismatch", "detail": "a long text " * 20}
        )
        client.set(keys.keyspace(5).lease, "worker-1.sidedata.example-12345-0a1b2c")
    with Terminal(*line.split()) as terminal:
        assert terminal.end() == (line == "doctor")  # which finds a dead letter
    lines = re.sub("\x1b\\[[0-9;]*m", "", terminal.text).splitlines()
    assert max(map(len, lines)) <= 80, terminal.text
    if line.endswith("list") or ORG in line:
        whole = {"org list": ORG, "token list": ORG, "dead list": f"5/{dead.decode()}"}.get(line, POPUP)
        assert any(whole in row for row in lines), "ids stay whole"


def test_idle_partitions_are_left_out(sidedata: Sidedata, redis_url: str) -> None:
    """The table has the partition with events, and says how many others there are; --all and JSON have all."""
    sidedata("inspect")
    with redis.Redis.from_url(redis_url) as client:
        client.hset(keys.keyspace(5).cursor, mapping={"events": 77})
    assert "15 idle partitions are left out" in (shown := sidedata("inspect").stdout)
    assert shown.splitlines()[1].split()[:2] == ["5", "none"]
    assert sidedata("inspect", "--all").stdout.count("none") == 16
    assert sidedata("inspect", "--json").stdout.count('"partition"') == 16


def test_records_fit_a_terminal(stored: redis.Redis, sidedata: Sidedata, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of a record, however long, take several lines of 80 columns; its name can't command the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    stored.hset(RECORD, mapping={"name": "Shop\x1b[2J", "rules": "2026f " + "; ".join(["2026-03-29T01Z +03"] * 9)})
    for command in (["inspect", "key", RECORD], ["org", "show", ORG]):
        lines = sidedata(*command).stdout.splitlines()
        assert max(len(line) for line in lines if line != RECORD) <= 80, lines
        assert any("Shop\\x1b[2J" in line for line in lines), lines


@pytest.mark.alone
@pytest.mark.parametrize("command", ["inspect", "inspect --json", "inspect key sd:config", "status", "doctor"])
def test_a_redis_that_hangs_is_said_within_2_seconds(
    private_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Exit 1, one line; the start of a process is not in the time measured here."""
    server = private_server()
    server.freeze()
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", server.url))
    try:
        began = time.monotonic()
        result = CliRunner().invoke(cli, command.split())
        assert time.monotonic() - began < 2
    finally:
        server.thaw()
    assert result.exit_code == 1
    if command == "doctor":
        assert "did not answer in time\n         → see if its process is stopped" in result.stdout
    else:
        assert "did not answer" in one_line(result)


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [("inspct", "inspect"), ("org lst", "list"), ("stats", "status"), ("purge --ogr x", "--org")],
)
def test_a_mistyped_command_gets_a_suggestion(sidedata: Sidedata, line: str, suggestion: str) -> None:
    """Commands, commands of groups, and flags; 2 all the same."""
    result = sidedata(*line.split())
    assert result.exit_code == 2
    assert "Did you mean" in result.stderr
    assert f"'{suggestion}'" in result.stderr


@pytest.mark.usefixtures("no_settings")
def test_up_names_the_process_of_each_line(tmp_path: Path) -> None:
    """On a terminal the lines of service and worker begin with their names; JSON follows."""
    with Terminal("up", "--port", "0", "--worker-port", "0", "--data-dir", str(tmp_path)) as terminal:
        terminal.until("sidedata is up on ")
        terminal.process.terminate()
        assert terminal.end() == 0
    plain = re.sub("\x1b\\[[0-9;]*m", "", terminal.text)
    assert re.search(r"^serve  \| sidedata serve: listening on http://", plain, re.MULTILINE)
    assert re.search(r'^worker \| {"at":', plain, re.MULTILINE)


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("flag", ["--port", "--worker-port"])
def test_a_taken_port_is_one_line(tmp_path: Path, flag: str) -> None:
    """`up` says which and how to choose another, before it starts anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ports = {"--port": "0", "--worker-port": "0", flag: str(port)}
        words = [word for pair in ports.items() for word in pair]
        result = CliRunner().invoke(cli, ["up", "--data-dir", str(tmp_path / "data"), *words])
    assert result.exit_code == 1
    line = one_line(result)
    assert f"127.0.0.1:{port}: the port is in use" in line
    assert f"SIDEDATA_{flag[2:].upper().replace('-', '_')}" in line
