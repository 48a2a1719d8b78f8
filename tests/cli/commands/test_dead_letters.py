"""`sidedata dead` and `sidedata push --check`: lists by organization and reason, deletion, and lines judged before."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from sidedata.cli.main import cli
from sidedata.schema import keys
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, view
from tests.support.redis.users import as_user


@pytest.fixture
def sidedata(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command as an operator, on an empty store."""
    monkeypatch.setenv("SIDEDATA_REDIS_URL", as_user("operator", redis_url))
    monkeypatch.delenv("SIDEDATA_SECRET", raising=False)
    return lambda *arguments, given=b"": CliRunner().invoke(cli, arguments, input=given)


@pytest.fixture
def letters(redis_url: str) -> None:
    """Dead letters of two organizations, one of them of an older version, without its organization in a field."""
    with redis.Redis.from_url(redis_url) as client:
        for number, (organization, reason) in enumerate(
            [(ORG, "too_old"), (ORG, "too_old"), (OTHER_ORG, "too_old"), (ORG, "invalid_event"), ("", "invalid_event")]
        ):
            fields = {"reason": reason, "detail": "x", "entry": "1-0", "event": view("never", organization_id=ORG)}
            if organization:
                fields["organization"] = organization
            else:
                fields["event"] = b"nothing"
            client.xadd(keys.keyspace(0).dead, fields, id=f"{number + 1}-0")
        client.xadd(
            keys.keyspace(1).dead, {"reason": "in_future", "event": view("never", organization_id=ORG)}, id="1-0"
        )


@pytest.mark.usefixtures("letters")
@pytest.mark.holds("8.3")
def test_the_list_is_narrowed_and_summed(sidedata: Callable[..., Result]) -> None:
    """By organization and reason; in letters of older versions the event names them."""
    done = sidedata("dead", "list")
    assert done.stderr.splitlines() == [
        f"2 too_old of {ORG}",
        "1 invalid_event of an unknown organization",
        f"1 in_future of {ORG}",
        f"1 invalid_event of {ORG}",
        f"1 too_old of {OTHER_ORG}",
    ]
    listed = sidedata("dead", "list", "--org", ORG.upper(), "--reason", "too_old", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in listed] == ["0/2-0", "0/1-0"]
    assert {
        json.loads(line)["type"] for line in sidedata("dead", "list", "--org", ORG, "--json").stdout.splitlines()
    } <= {
        "",
        "page_view",
    }


@pytest.mark.usefixtures("letters")
@pytest.mark.holds("8.3", "8.7")
def test_letters_are_dropped(sidedata: Callable[..., Result]) -> None:
    """By ids, or all of an organization and a reason; neither is misuse, an id that is not there a failure."""
    assert sidedata("dead", "drop").exit_code == 2
    assert sidedata("dead", "drop", "--all", "0/1-0").exit_code == 2
    assert sidedata("dead", "drop", "0/1-0", "--org", ORG).exit_code == 2
    assert sidedata("dead", "drop", "0/9-9").exit_code == 1
    assert sidedata("dead", "drop", "0/1-0").exit_code == 0
    assert sidedata("dead", "drop", "--all", "--org", ORG, "--reason", "too_old").stderr == "1 dead letter deleted\n"
    assert sidedata("dead", "drop", "--all", "--yes").stderr == "4 dead letters deleted\n"
    assert sidedata("dead", "list").stderr == "no dead letters\n"


@pytest.mark.usefixtures("letters")
@pytest.mark.holds("8.3", "8.7")
def test_a_replay_can_be_narrowed(sidedata: Callable[..., Result]) -> None:
    """To one organization."""
    assert sidedata("dead", "replay", "--all", "--org", OTHER_ORG).stderr == "1 dead letter sent again\n"


def lines(*events: bytes) -> bytes:
    """A file."""
    return b"\n".join(events) + b"\n"


def test_bad_lines_are_named_before_they_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--check` needs no Redis, sends nothing, and exits with 1 if any line is bad."""
    monkeypatch.setenv("SIDEDATA_REDIS_URL", "unix:///nowhere")
    now = datetime.now(UTC)
    good = view(now, organization_id=ORG)
    file = tmp_path / "events"
    file.write_bytes(
        lines(good, b"nope", view(now - timedelta(days=500)), view("never"), view(now + timedelta(hours=1)))
    )
    done = CliRunner().invoke(cli, ["push", "--check", str(file)])
    assert done.exit_code == 1
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        ["line 2", "not a JSON object"],
        ["line 3", "too_old"],
        ["line 4", "invalid_event"],
        ["line 5", "in_future"],
        ["3 events would become dead letters"],
        [
            "1 of them is older than the days kept",
            "--rebase shifts an archive into the last days, a larger SIDEDATA_KEEP_DAY_DAYS of all processes keeps its times",
        ],
        ["4 events checked, 1 line unreadable"],
    ]
    file.write_bytes(lines(good, good))
    done = CliRunner().invoke(cli, ["push", "--check", str(file)])
    assert (done.exit_code, done.stderr) == (0, "2 events checked, 0 lines unreadable\n")


def test_a_push_names_what_will_become_a_dead_letter(sidedata: Callable[..., Result]) -> None:
    """The first 20, with line and reason; all are sent, and the exit status is 0."""
    now = datetime.fromtimestamp(time.time(), UTC)
    bad = json.dumps({"type": "page_view", "workflow_id": PAGES, "visitor_id": "v", "session_id": "s"}).encode()
    done = sidedata("push", "-", given=lines(view(now), *[bad] * 30))
    assert done.exit_code == 0
    messages = done.stderr.splitlines()
    assert messages[0] == "line 2: invalid_event: /organization_id: missing"
    assert len(messages) == 23
    assert messages[-3:] == [
        "… and 10 more such lines",
        "30 events will become dead letters",
        "31 events sent, 0 lines unreadable",
    ]
