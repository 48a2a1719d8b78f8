"""`sidedata up` and `sidedata demo`: a process tree that answers, and ends as a whole."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidedata.cli.main import cli
from sidedata.cli.processes.demo import Demo, pretty
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.processes.command_line import LIMIT_SECONDS

pytestmark = pytest.mark.usefixtures("no_settings")


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


@pytest.mark.alone
@pytest.mark.holds("9.3")
def test_up_answers_and_ends_in_order(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    """Commands beside it see the same Redis; SIGTERM ends all of it with 0 within 10 seconds; data are kept."""
    process, address = start_up(tmp_path, processes)
    beside = ["--data-dir", str(tmp_path)]
    assert CliRunner().invoke(cli, ["org", "set", ORG, "--timezone", "Asia/Tokyo", *beside]).exit_code == 0
    with urllib.request.urlopen(f"{address}/livez", timeout=5) as answer:  # noqa: S310 - our own address
        assert answer.status == 200
    process.terminate()
    before = time.monotonic()
    process.communicate(timeout=LIMIT_SECONDS)
    assert (process.returncode, time.monotonic() - before < 10) == (0, True)
    assert not (tmp_path / "redis.sock").exists()
    assert CliRunner().invoke(cli, ["org", "show", ORG, *beside]).exit_code == 1
    start_up(tmp_path, processes)
    assert "Asia/Tokyo" in CliRunner().invoke(cli, ["org", "show", ORG, *beside]).stdout


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
    """Tell if a process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_proc
def test_no_secret_stands_in_a_process_title(tmp_path: Path, processes: list[subprocess.Popen[str]]) -> None:
    """A list of processes doesn't show the installation's secret."""
    process, _ = start_up(tmp_path, processes)
    secret = (tmp_path / "secret").read_bytes().strip()
    for pid in children_of(process).values():
        assert secret not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_demo_ends_its_output_with_the_way_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Dashboard and token stand below the answers, which fill several screens."""
    Demo(Settings(port=4711), "unix:///redis.sock", "sd_token").print_end()
    shown = capsys.readouterr().out
    assert "Dashboard http://127.0.0.1:4711/dashboard#org=" in shown
    assert "with the token sd_token\n" in shown
    assert shown.endswith("Traffic continues until Ctrl-C.\n")


@pytest.mark.holds("9.6")
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
        # All of the history is in the answers, whose seven days begin at midnight: each weekday has its visitors.
        weekdays = re.findall(r'"day_in_week": \[(.*)\]', done.stdout)
        assert [len(re.findall(r"\[(?!0,)\d+, [1-7]\]", days)) for days in weekdays] == [7]
        assert '"visitor_purchase_sums": []' not in done.stdout
        tokens += re.findall(r"^  token +(sd_\S+)$", done.stdout, re.MULTILINE)
    assert len(tokens) == 2
    assert tokens[0] == tokens[1]
