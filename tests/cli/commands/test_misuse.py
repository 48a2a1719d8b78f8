"""Misuse of commands: it exits with 2, gives the reason on stderr, prints nothing, and changes nothing in Redis."""

import pytest
import redis

from sidedata.errors import UsageError
from sidedata.settings import read_settings
from tests.support.constants import ORG
from tests.support.events import POPUP
from tests.support.processes.command_line import Sidedata, one_line


@pytest.mark.holds("8.9")
@pytest.mark.parametrize(
    "line",
    [
        "token revoke",
        "token create --org",
        f"token create --org {ORG}",
        f"token create --org {ORG} --scope nope",
        f"token create --org {ORG} --scope reports extra",
        "token create --org nobody --scope reports",
        f"token create --org {{{ORG}}} --scope reports",
        "org set",
        f"org set {ORG}",
        "org set nobody --timezone UTC",
        f"org set {ORG} --timezone Nope/Zone",
        f"org set {ORG} --timezone ../../../etc/passwd",
        f"org set {ORG} --timezone /etc/localtime",
        f"org set {ORG} --timezone +02:00",
        f"org set {ORG} --timezone Europe",
        "org show",
        "org show nobody",
        f"workflow set {ORG} {POPUP}",
        f"workflow set {ORG} {POPUP} --kind nope",
        f"workflow set {ORG} nothing --kind interaction",
        f"workflow set nobody {POPUP} --kind interaction",
        f"workflow show {ORG}",
        "purge",
        "purge --org nobody",
        f"purge --workflow {POPUP}",
        f"purge --org {ORG} --workflow nothing",
        "inspect extra",
        "dead show",
        "dead show nothing",
        "dead replay",
        "dead replay nothing",
        "dead replay --all 0/1-1",
        "dead replay --all --reason nope",
        "dead list --reason nope",
        "dead list --limit 0",
        "push",
        "inspect --redis-url http://x",
        "inspect --partitions x",
        "serve --port x",
        "serve --port 70000",
        "serve --port -1",
        "serve --keep-day-days 0",
        "serve --log-level nope",
        "serve extra",
        "worker --worker-port x",
    ],
)
def test_misuse_is_2_and_changes_nothing(sidedata: Sidedata, redis_url: str, line: str) -> None:
    """Ids, zones, scopes, kinds and reasons that there aren't, missing and further arguments, settings out of their range."""
    result = sidedata(*line.split())
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr
    with redis.Redis.from_url(redis_url) as client:
        assert set(client.keys()) <= {b"sd:config"}


def test_an_empty_zone_is_misuse(sidedata: Sidedata) -> None:
    """Not the machine's own zone, which is what an empty name stands for elsewhere."""
    assert sidedata("org", "set", ORG, "--timezone", "").exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SIDEDATA_PORT", "80x", "must be a whole number, not '80x'"),
        ("SIDEDATA_PORT", "65536", "must be a whole number <= 65535, not '65536'"),
        ("SIDEDATA_LOG_LEVEL", "loud", "must be DEBUG, INFO, WARNING or ERROR, not 'loud'"),
        ("SIDEDATA_CORS_ORIGINS", "a.example", "such as https://a.example, separated by commas, not 'a.example'"),
    ],
)
def test_a_bad_setting_is_answered_with_its_meaning(name: str, value: str, problem: str) -> None:
    """The variable, the value, and what it must be; no words of a validator."""
    with pytest.raises(UsageError) as caught:
        read_settings({}, {name: value})
    assert str(caught.value).startswith(f"{name}: must be ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("token revoke 0123456789ab", "`sidedata token list` shows them"),
        (f"workflow show {ORG} {POPUP}", "`sidedata workflow list` shows its workflows"),
        ("dead show 5/1-1", "`sidedata dead list` shows them"),
        ("inspect --partitions 8", "created with 16: unset it"),
        ("dead list --partitions 8", "created with 16: unset it"),
    ],
)
def test_a_refusal_says_what_to_do(sidedata: Sidedata, line: str, advice: str) -> None:
    """The command that shows what there is, or the setting to correct."""
    assert sidedata("org", "set", ORG, "--timezone", "UTC").exit_code == 0  # makes the installation
    refused = sidedata(*line.split())
    assert refused.exit_code == 1
    assert advice in one_line(refused)
