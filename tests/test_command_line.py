"""The command line from outside: exit statuses, what stands on stdout and stderr, and processes that come and go."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
import redis
from click.testing import CliRunner, Result

from sidedata.cli.main import GROUP, cli
from sidedata.cli.processes.address import base_url, free_ports
from sidedata.cli.processes.demo import pretty
from sidedata.cli.processes.supervisor import Supervisor, environment
from sidedata.cli.stopping import until_stopped
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.schema import keys
from sidedata.settings import PREFIX, Settings, read_settings, variable
from tests.guard import as_user

ORGANIZATION = "0a5f2b6e-1111-4222-8333-0123456789ab"
WORKFLOW = "0a5f2b6e-1111-4222-8333-0123456789ff"
LIMIT_SECONDS = 30.0

Sidedata = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set from outside, the secret least of all: these commands don't need it."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def sidedata(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Sidedata:
    """Run a command in this process on an empty store."""
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", redis_url))
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def one_line(result: Result) -> str:
    """The one line on stderr, given that nothing went to stdout."""
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


# --- the whole ------------------------------------------------------------------------------------------------------


def test_every_command_has_help(sidedata: Sidedata) -> None:
    """The group lists all with a sentence each; each, and each of theirs, answers to --help."""
    names = sorted(found.name for found in entry_points(group=GROUP))
    assert names, "the package isn't installed"
    listed = sidedata("--help")
    assert listed.exit_code == 0
    for name in names:
        assert f"\n  {name} " in listed.stdout
        assert sidedata(name, "--help").exit_code == 0
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.get_short_help_str()
        for inner in getattr(command, "commands", {}):
            shown = sidedata(name, inner, "--help")
            assert shown.exit_code == 0
            assert "--redis-url" in shown.stdout


def test_it_knows_its_version(sidedata: Sidedata) -> None:
    """One line, name and number."""
    assert sidedata("--version").stdout.startswith("sidedata 0.")


@pytest.mark.parametrize("arguments", [["nothing"], ["token"], ["token", "create"], ["inspect", "--nothing"]])
def test_misuse_is_2(sidedata: Sidedata, arguments: list[str]) -> None:
    """What can't be understood exits with 2 and says why on stderr."""
    result = sidedata(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_a_flag_comes_before_the_environment(sidedata: Sidedata, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a bad value is misuse, by its variable's name, wherever it comes from."""
    monkeypatch.setenv("SIDEDATA_PARTITIONS", "many")
    assert "SIDEDATA_PARTITIONS" in one_line(sidedata("inspect"))
    assert sidedata("inspect").exit_code == 2
    told = sidedata("inspect", "--partitions", "4", "--json")
    assert json.loads(told.stdout)["partitions"] == 4


def test_a_redis_out_of_reach_is_one_line(sidedata: Sidedata) -> None:
    """Status 1, no stack trace."""
    result = sidedata("inspect", "--redis-url", "redis://127.0.0.1:1")
    assert result.exit_code == 1
    assert "out of reach" in one_line(result)


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (StoreUnavailableError("two\nlines"), 1, "Error: two lines; `sidedata doctor` says what to do\n"),
        (StopError("two\nlines"), 1, "Error: two lines\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_how_a_command_fails_is_decided_in_one_place(
    raised: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the project take one line, Ctrl-C and a reader that went away none."""

    @click.command()
    def failing() -> None:
        raise raised

    monkeypatch.setitem(cli.commands, "failing", failing)
    result = CliRunner().invoke(cli, ["failing"])
    assert (result.exit_code, result.stderr) == (status, said)


# --- tokens, records, inspect -----------------------------------------------------------------------------------------


def test_a_token_is_printed_alone(sidedata: Sidedata) -> None:
    """It is created, listed without its text, revoked by its id, and can't be revoked again."""
    created = sidedata("token", "create", "--org", ORGANIZATION, "--scope", "reports", "--scope", "ingest")
    token = created.stdout.removesuffix("\n")
    assert token.startswith("sd_")
    assert token.isprintable()
    assert created.stderr == ""
    (listed,) = json.loads(sidedata("token", "list", "--json").stdout)
    assert (listed["organization"], listed["scopes"]) == (ORGANIZATION, ["reports", "ingest"])
    assert token not in sidedata("token", "list").stdout
    assert listed["id"] in sidedata("token", "list").stdout
    assert sidedata("token", "revoke", listed["id"]).exit_code == 0
    again = sidedata("token", "revoke", listed["id"])
    assert again.exit_code == 1
    assert listed["id"] in one_line(again)


def test_a_token_can_end_by_itself_and_be_for_all(sidedata: Sidedata) -> None:
    """`--org all` and `--expires-days`."""
    before = time.time()
    assert sidedata("token", "create", "--org", "all", "--scope", "admin", "--expires-days", "3").exit_code == 0
    (listed,) = json.loads(sidedata("token", "list", "--json").stdout)
    assert listed["organization"] == "all"
    assert 3 * 86400 - 1 <= listed["expires_at"] - before <= 3 * 86400 + 60


@pytest.mark.parametrize(
    "arguments",
    [
        ["--org", "nobody", "--scope", "reports"],
        ["--org", ORGANIZATION, "--scope", "everything"],
        ["--org", ORGANIZATION, "--scope", "reports", "--expires-days", "0"],
        ["--org", ORGANIZATION],
    ],
)
def test_a_token_without_sense_is_misuse(sidedata: Sidedata, arguments: list[str]) -> None:
    """Bad UUID, scope or duration: 2."""
    assert sidedata("token", "create", *arguments).exit_code == 2


def test_an_organization_is_set_and_shown(sidedata: Sidedata) -> None:
    """Unknown: 1. Set: shown for people and as JSON. No such zone or UUID: 2."""
    assert sidedata("org", "show", ORGANIZATION).exit_code == 1
    assert sidedata("org", "set", ORGANIZATION, "--timezone", "Europe/Helsinki").exit_code == 0
    assert "Europe/Helsinki" in sidedata("org", "show", ORGANIZATION).stdout
    assert json.loads(sidedata("org", "show", ORGANIZATION, "--json").stdout) == {
        "id": ORGANIZATION,
        "timezone": "Europe/Helsinki",
        "has_events": False,
    }
    assert sidedata("org", "set", ORGANIZATION, "--timezone", "Helsinki").exit_code == 2
    assert sidedata("org", "set", "nobody", "--timezone", "UTC").exit_code == 2


def test_a_workflow_is_set_and_shown(sidedata: Sidedata) -> None:
    """Unknown: 1. Another kind: 1, in one line. No such kind: 2."""
    assert sidedata("workflow", "show", ORGANIZATION, WORKFLOW).exit_code == 1
    named = ["--kind", "interaction", "--name", "Wähl [mal]"]
    assert sidedata("workflow", "set", ORGANIZATION, WORKFLOW, *named).exit_code == 0
    assert "Wähl [mal]" in sidedata("workflow", "show", ORGANIZATION, WORKFLOW).stdout
    assert json.loads(sidedata("workflow", "show", ORGANIZATION, WORKFLOW, "--json").stdout) == {
        "id": WORKFLOW,
        "organization": ORGANIZATION,
        "kind": "interaction",
        "name": "Wähl [mal]",
        "last_event_us": None,
    }
    refused = sidedata("workflow", "set", ORGANIZATION, WORKFLOW, "--kind", "page_navigation")
    assert refused.exit_code == 1
    assert "a kind is fixed" in one_line(refused)
    assert sidedata("workflow", "set", ORGANIZATION, WORKFLOW, "--kind", "form").exit_code == 2
    assert sidedata("workflow", "set", ORGANIZATION, "nothing", "--kind", "interaction").exit_code == 2


def test_inspect_sums_up(sidedata: Sidedata, redis_url: str) -> None:
    """Entries, letters, partitions and live workers, as JSON and as a table with a line for each partition."""
    with redis.Redis.from_url(redis_url) as client:
        seconds, _ = client.time()
        for partition, entries in ((0, 3), (5, 4)):
            for _ in range(entries):
                client.xadd(keys.events(partition), {"event": "{}"})
        client.xadd(keys.dead(5), {"reason": "invalid_json"})
        client.hset(keys.cursor(5), mapping={"events": 77})
        client.set(keys.lease(5), "worker-a")
        client.zadd(keys.WORKERS, {"worker-a": seconds * 1000, "long-gone": seconds * 1000 - 60_000})
    told = json.loads(sidedata("inspect", "--json").stdout)
    wanted = {"lag_entries": 7, "dead_letters": 1, "partitions": 16, "workers": 1, "events_applied": 77}
    assert {name: told[name] for name in wanted} == wanted
    lines = sidedata("inspect").stdout.splitlines()
    row = next(line for line in lines if "worker-a" in line)
    lag = row.split("\u2502")[4].strip()
    assert 0 <= float(lag) < LIMIT_SECONDS
    assert [cell.strip() for cell in row.strip("\u2502").split("\u2502")] == ["5", "worker-a", "4", lag, "77", "1"]
    assert sum("nobody" in line for line in lines) == 15


def test_what_is_not_there_is_said(sidedata: Sidedata) -> None:
    """Nothing on stdout, a word on stderr; a reason that no letter can have is a mistake, and so is told."""
    assert (sidedata("dead", "list").stdout, sidedata("dead", "list").stderr) == ("", "no dead letters\n")
    assert sidedata("dead", "list", "--reason", "too_old").stderr == "no dead letters of the reason too_old\n"
    assert (sidedata("dead", "list", "--json").stdout, sidedata("dead", "list", "--json").stderr) == ("", "")
    assert "token create" in sidedata("token", "list").stderr
    assert sidedata("dead", "list", "--reason", "to_old").exit_code == 2
    assert "start a worker" in sidedata("inspect").stderr


def test_colours_are_for_terminals_that_want_them(redis_url: str) -> None:
    """On a terminal `doctor` has colours; where NO_COLOR asks for none, or the output goes elsewhere, it has none."""
    script = shutil.which("script")
    if script is None:
        pytest.skip("no `script` here, which would give it a terminal")
    environment = {**os.environ, "SIDEDATA_REDIS_URL": redis_url, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "sidedata.cli.main", "doctor"]

    def said(words: list[str], **more: str) -> bytes:
        return subprocess.run(words, env={**environment, **more}, capture_output=True, timeout=60, check=False).stdout

    on_a_terminal = [script, "-qec", shlex.join(command), "/dev/null"]
    assert b"\x1b[3" in said(on_a_terminal)
    assert b"\x1b[3" not in said(on_a_terminal, NO_COLOR="1")
    assert b"\x1b" not in said(command)


# --- settings passed on, addresses, output ----------------------------------------------------------------------------


def test_a_child_reads_exactly_our_settings(tmp_path: Path) -> None:
    """What is set outside and not here is covered; where the data are doesn't depend on the working directory."""
    settings = Settings(data_dir=str(tmp_path), secret="ours", port=1, keep_late_hours=0)  # noqa: S106 - a test's
    outer = {"SIDEDATA_REDIS_URL": "redis://elsewhere", "SIDEDATA_PORT": "2", "PATH": "/bin"}
    given = environment(settings, outer)
    assert given["PATH"] == "/bin"
    assert read_settings({}, given) == settings
    assert Path(environment(Settings(), outer)[variable("data_dir")]).is_absolute()


def test_a_taken_port_is_replaced() -> None:
    """A free one stays as it is, 0 becomes one, and none comes twice."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first, second, third = free_ports("127.0.0.1", [port, port, 0])
    assert len({port, first, second, third}) == 4
    assert free_ports("127.0.0.1", [first]) == [first]
    with pytest.raises(StopError, match="SIDEDATA_HOST"):
        free_ports("no such host", [0])


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:5"), ("0.0.0.0", "http://127.0.0.1:5"), ("::", "http://[::1]:5")],
)
def test_the_address_is_one_to_click_on(host: str, expected: str) -> None:
    """An address that stands for all is replaced by one that leads there."""
    assert base_url(Settings(host=host, port=5)) == expected


def test_answers_are_printed_with_their_numbers_as_they_came() -> None:
    """Pairs on one line, objects a field a line, decimals untouched."""
    answer = json.loads('{"a": [[1, 0], [2, 1]], "b": [{"value": 1023.50}], "c": []}', parse_float=Decimal)
    assert pretty(answer).split("\n") == [
        "{",
        '  "a": [[1, 0], [2, 1]],',
        '  "b": [',
        "    {",
        '      "value": 1023.50',
        "    }",
        "  ],",
        '  "c": []',
        "}",
    ]


# --- processes --------------------------------------------------------------------------------------------------------


async def test_a_signal_stops_once_and_in_order() -> None:
    """The work's clean-up is waited for, and a second signal doesn't break it off."""
    steps = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.01)
            steps.append("cleaned up")

    await until_stopped(work())
    assert steps == ["cleaned up"]


async def test_an_error_of_the_work_is_raised() -> None:
    """Who fails isn't taken for stopped."""

    async def work() -> None:
        raise StopError("no")

    with pytest.raises(StopError, match="no"):
        await until_stopped(work())


async def test_a_child_that_ends_is_told_with_its_last_words(tmp_path: Path, redis_url: str) -> None:
    """Command, status and the last line of its log are in the error; the child had the settings."""
    async with Supervisor(Settings(redis_url=redis_url, data_dir=str(tmp_path)), logs=tmp_path) as supervisor:
        await supervisor.start("org", "show", ORGANIZATION)
        with pytest.raises(StopError, match=rf"`sidedata org` ended by itself with status 1: .*{ORGANIZATION}"):
            await supervisor.watch()


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that the test starts; none outlives it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=LIMIT_SECONDS)


def start_up(data: Path, processes: list[subprocess.Popen[str]]) -> tuple[subprocess.Popen[str], str]:
    """Start `sidedata up` on free ports and wait for its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sidedata.cli.main", "up", "--port", "0", "--worker-port", "0", "--data-dir", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    processes.append(process)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("sidedata is up on "):
            return process, line.split()[4].rstrip(",")
    pytest.fail(f"it isn't up: {process.communicate()}")


def children_of(process: subprocess.Popen[str]) -> dict[str, int]:
    """The processes that it has started: the name of their command, and their id."""
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                parent = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
                words = (directory / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == process.pid:
                found["redis" if b"redis" in words[0] else words[4].decode()] = int(directory.name)
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_up_answers_and_ends_in_order(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    """Commands beside it see the same Redis; SIGTERM ends all of it with 0 within 10 seconds; data are kept."""
    process, address = start_up(tmp_path, processes)
    beside = ["--data-dir", str(tmp_path)]
    assert CliRunner().invoke(cli, ["org", "set", ORGANIZATION, "--timezone", "Asia/Tokyo", *beside]).exit_code == 0
    with urllib.request.urlopen(f"{address}/livez", timeout=5) as answer:  # noqa: S310 - our own address
        assert answer.status == 200
    process.terminate()
    before = time.monotonic()
    process.communicate(timeout=LIMIT_SECONDS)
    assert (process.returncode, time.monotonic() - before < 10) == (0, True)
    assert not (tmp_path / "redis.sock").exists()
    assert "Asia/Tokyo" in CliRunner().invoke(cli, ["org", "show", ORGANIZATION, *beside]).stdout


@needs_proc
@pytest.mark.parametrize("victim", ["serve", "worker", "redis"])
def test_up_ends_when_a_part_does(tmp_path: Path, victim: str, processes: list[subprocess.Popen[str]]) -> None:
    """Whichever part is killed, everything ends, with 1 and a line that names it."""
    process, _ = start_up(tmp_path, processes)
    parts = children_of(process)
    assert set(parts) == {"serve", "worker", "redis"}
    os.kill(parts[victim], signal.SIGKILL)
    _, said = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 1
    assert victim in said.splitlines()[-1].lower()
    assert not [pid for pid in parts.values() if Path(f"/proc/{pid}").exists()]


@needs_proc
def test_nothing_is_left_when_up_is_killed(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    """Service, worker and Redis end by themselves when the process that started them can't tell them to."""
    process, _ = start_up(tmp_path, processes)
    parts = children_of(process)
    process.kill()
    process.communicate(timeout=LIMIT_SECONDS)  # ends when the last of them has closed its output
    limit = time.monotonic() + LIMIT_SECONDS
    while left := [name for name, pid in parts.items() if running(pid)]:
        assert time.monotonic() < limit, left


def running(pid: int) -> bool:
    """Whether a process goes on; one that ended and that nobody waits for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_proc
def test_no_secret_stands_in_a_process_title(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    """Whoever may list processes doesn't learn the installation's secret."""
    process, _ = start_up(tmp_path, processes)
    secret = (tmp_path / "secret").read_bytes().strip()
    for pid in children_of(process).values():
        assert secret not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_demo_shows_both_answers_and_ends(tmp_path: Path) -> None:
    """Address, token, a curl and a whole answer of each kind; then 0 by itself. The second time the token is the same."""
    tokens = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "sidedata.cli.main", "demo", "--port", "0", "--worker-port", "0"],
            env={**os.environ, "SIDEDATA_DATA_DIR": str(tmp_path), "DEMO_SECONDS": "1"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert re.search(r"^  address +http://127\.0\.0\.1:\d+$", done.stdout, re.MULTILINE)
        assert done.stdout.count("\ncurl -s -X POST ") == 2
        for field in ("timeframe_stat", "hour_in_day", "visitor_purchase_sums", "triggered_goals", "affected_goals"):
            assert f'"{field}": ' in done.stdout
        tokens += re.findall(r"^  token +(sd_\S+)$", done.stdout, re.MULTILINE)
    assert len(tokens) == 2
    assert tokens[0] == tokens[1]
