"""Alerts, board and runbook speak of what is there: metrics, jobs, messages, each other."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sidedata.conditions import CONDITIONS
from sidedata.ingest.metrics import Metrics
from sidedata.metrics import new_registry
from sidedata.service.metrics import ServiceMetrics
from tests.support.paths import DEPLOY, ROOT
from tests.support.repository.deploy_files import RUNBOOK, documents, passes, tool
from tests.support.repository.pages import anchors
from tests.support.repository.syntax import tree

# What of redis_exporter's metrics is relied on; their names are its promise, not ours.
EXPORTED = {
    "redis_up",
    "redis_instance_info",
    "redis_evicted_keys_total",
    "redis_memory_used_bytes",
    "redis_memory_max_bytes",
    "redis_aof_enabled",
    "redis_aof_last_write_status",
    "redis_aof_last_bgrewrite_status",
    "redis_rdb_last_bgsave_status",
}


def alerts() -> list[dict[str, Any]]:
    """All alerting rules."""
    [rules] = documents(DEPLOY / "prometheus/alerts.yaml")
    return [rule for group in rules["groups"] for rule in group["rules"]]


def board() -> dict[str, Any]:
    """Grafana's board."""
    read: dict[str, Any] = json.loads((DEPLOY / "grafana/sidedata.json").read_text(encoding="utf-8"))
    return read


def queries() -> Iterator[str]:
    """Everything that is asked of Prometheus."""
    yield from (rule["expr"] for rule in alerts())
    for panel in board()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def test_every_metric_that_is_asked_for_exists() -> None:
    """In the code, by its name on the wire, or among those of redis_exporter."""
    registries = [Metrics(new_registry()).registry, ServiceMetrics(new_registry()).registry]
    families = [family for registry in registries for family in registry.collect()]
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    ours = {family.name + suffix for family in families for suffix in suffixes.get(family.type, [""])}
    adapter = (DEPLOY / "kubernetes/metrics-adapter.yaml").read_text(encoding="utf-8")
    scaling = (DEPLOY / "kubernetes/base/scaling.yaml").read_text(encoding="utf-8")
    for text in (*queries(), adapter, scaling):
        plain = re.sub(r'"[^"]*"', "", text)
        named = set(re.findall(r"\b(?:sidedata|redis|process)_[a-z_]+", plain))
        assert named <= ours | EXPORTED, named - ours - EXPORTED


def test_jobs_are_named_as_alerts_ask_for_them() -> None:
    """A job without a scrape would never raise an alert."""
    [config] = documents(DEPLOY / "prometheus/prometheus.yaml")
    jobs = {scrape["job_name"] for scrape in config["scrape_configs"]}
    for query in queries():
        assert set(re.findall(r'job="([^"]*)"', query)) <= jobs


def test_promtool_finds_the_rules_right() -> None:
    """Configuration and rules parse, and the rules do what alerts_test.yaml says."""
    promtool = tool("promtool")
    passes(promtool, "check", "config", DEPLOY / "prometheus/prometheus.yaml")
    passes(promtool, "test", "rules", DEPLOY / "prometheus/alerts_test.yaml")


def test_the_board_is_whole() -> None:
    """Panels have ids of their own, lie on the grid, and ask the source that is provisioned."""
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    [provisioned] = documents(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")
    sources = {source["uid"] for source in provisioned["datasources"]}
    assert board()["templating"]["list"][0]["current"]["value"] in sources
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert {target["datasource"]["uid"] for target in panel.get("targets", [])} <= {"${datasource}"}


def test_every_alert_is_in_the_runbook() -> None:
    """Under its own name, where its annotation leads; and no section is of an alert that is no more."""
    headings = re.findall(r"^### (Sidedata\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        assert rule["annotations"]["runbook_url"].endswith(f"/RUNBOOK.md#{rule['alert'].lower()}")
        assert rule["alert"].lower() in anchors(RUNBOOK)


def message_parts(path: str, call: str) -> Iterator[str]:
    """The fixed parts of the messages in the calls of a function or class of a module, if they are long enough to search for."""
    for node in ast.walk(tree(ROOT / path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == call:
            for argument in node.args:
                for part in ast.walk(argument):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield from (
                            piece.strip(" ;:") for piece in re.split("%[ds]", part.value) if piece.count(" ") > 1
                        )


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("sidedata/inspect/health.py", "Check"),
        ("service/api/health.py", "Check"),
        ("sidedata/redis/redis_errors.py", "StoreUnavailableError"),
        ("sidedata/redis/redis_errors.py", "StopError"),
        ("sidedata/redis/redis_errors.py", "CommandRefusedError"),
        ("sidedata/redis/client.py", "UsageError"),
        ("sidedata/writes/installation.py", "StopError"),
        ("service/process.py", "StopError"),
        ("service/server/processes.py", "StopError"),
        ("service/server/processes.py", "_log.error"),
        ("service/server/listener.py", "_log.warning"),
        ("ingest/worker/process.py", "StopError"),
        ("ingest/worker/process.py", "_log.warning"),
        ("ingest/worker/worker.py", "_log.warning"),
        ("ingest/apply/owner_cache.py", "StopError"),
        ("ingest/worker/maintenance.py", "_log.warning"),
        ("ingest/apply/throttle.py", "_log.warning"),
        ("sidedata/schema/tokens.py", "StopError"),
    ],
)
def test_every_message_is_in_the_runbook(path: str, call: str) -> None:
    """The messages of /readyz, of a process that doesn't start or ends, and of warnings in the log are all in the runbook."""
    text = " ".join(RUNBOOK.read_text(encoding="utf-8").split())
    harmless = (
        "Redis answers",
        "Redis takes writes",
        "this account may read dead letters",
        "the server is a master",
        "make sure that",
        "`CONFIG SET ",
        "Redis has loaded",
        "maxmemory-policy is noeviction",
        "the append-only file is on",
        "the configuration fits",
        "the numbers are up to date",
    )
    missing = [part for part in message_parts(path, call) if part not in text and not part.startswith(harmless)]
    assert not missing


def test_every_condition_of_redis_is_in_the_runbook() -> None:
    """The word of each that Redis itself sends has a row."""
    text = RUNBOOK.read_text(encoding="utf-8")
    assert not [word for word in CONDITIONS if f"`{word}`" not in text and word != "TIMEOUT"]
