"""The command line from outside: exit statuses, what stands on stdout and stderr, and processes that come and go."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import entry_points

import click
import pytest
from click.testing import CliRunner

from sidedata.cli.main import GROUP, cli
from sidedata.errors import StopError, StoreUnavailableError
from tests.support.processes.command_line import Sidedata, one_line

pytestmark = pytest.mark.usefixtures("no_settings")


def _names() -> list[str]:
    names = sorted(found.name for found in entry_points(group=GROUP))
    assert names, "the package isn't installed"
    return names


@pytest.mark.holds("8.9")
def test_every_command_has_help(sidedata: Sidedata) -> None:
    """The group lists all with a sentence each; each, and each of theirs, answers to --help."""
    names = _names()
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


def test_help_fits_a_terminal(sidedata: Sidedata) -> None:
    """No line is wider than 80 columns, no sentence of a list is cut, and a number's flag takes an N."""
    for name in _names():
        command = cli.get_command(click.Context(cli), name)
        for inner in ([], *([each] for each in getattr(command, "commands", {}))):
            shown = sidedata(name, *inner, "--help").stdout
            assert max(map(len, shown.splitlines())) <= 80, shown
            assert "..." not in shown.partition("\n\n")[2], shown
            assert " RANGE" not in shown, shown


def test_help_loads_no_service() -> None:
    """The list of commands comes without the packages that only a running service or worker needs."""
    code = "import sys; from sidedata.cli.main import cli; cli(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"aiohttp", "numpy"} & set(done.stdout.split())


def test_help_names_every_default(sidedata: Sidedata) -> None:
    """A default of 0 is one, too; a setting that is unset by default has none."""
    shown = " ".join(sidedata("serve", "--help").stdout.split())
    assert "[SIDEDATA_RATE_LIMIT; default: 0]" in shown
    assert "[SIDEDATA_PARTITIONS]" in shown


def test_it_knows_its_version(sidedata: Sidedata) -> None:
    """One line, name and number."""
    assert sidedata("--version").stdout.startswith("sidedata 0.")


@pytest.mark.holds("8.9")
@pytest.mark.parametrize("arguments", [["nothing"], ["token"], ["token", "create"], ["inspect", "--nothing"]])
def test_misuse_is_2(sidedata: Sidedata, arguments: list[str]) -> None:
    """A wrong command line exits with 2 and gives the reason on stderr."""
    result = sidedata(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


@pytest.mark.holds("8.10")
def test_a_flag_comes_before_the_environment(sidedata: Sidedata, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a bad value is misuse, by its variable's name, wherever it comes from."""
    monkeypatch.setenv("SIDEDATA_PARTITIONS", "many")
    assert "SIDEDATA_PARTITIONS" in one_line(sidedata("inspect"))
    assert sidedata("inspect").exit_code == 2
    result = sidedata("inspect", "--partitions", "4", "--json")
    assert json.loads(result.stdout)["partitions"] == 4


@pytest.mark.holds("8.9")
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


def test_what_is_not_there_is_said(sidedata: Sidedata) -> None:
    """Nothing on stdout, a word on stderr; an unknown reason is misuse."""
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
