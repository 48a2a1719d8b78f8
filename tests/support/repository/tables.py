"""The tables on the pages that come from the code; `python -m tests.support.repository.tables` updates them."""

import re
from pathlib import Path
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from bench import capacity
from sidedata.ingest.metrics import Metrics
from sidedata.schema.table import KEYS
from sidedata.service.metrics import ServiceMetrics
from sidedata.settings import Settings, variable
from tests.support.paths import ROOT


def setting_rows() -> list[str]:
    """README's table of settings as the code has it."""
    lines = []
    for field in msgspec.structs.fields(Settings):
        meaning = next(meta.description for meta in get_args(field.type)[1:] if meta.description)
        unset = field.default == "" or "unset:" in meaning
        default = "unset" if unset else f"`{field.default}`"
        lines.append(f"| `{variable(field.name)}` | {default} | {meaning} |")
    return lines


def worker_metrics() -> list[MetricWrapperBase]:
    """The metrics of a worker."""
    return [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]


def service_metrics() -> list[MetricWrapperBase]:
    """The metrics of a service."""
    made = ServiceMetrics(CollectorRegistry())
    return [metric for metric in vars(made).values() if isinstance(metric, MetricWrapperBase)]


def metric_rows(metrics: list[MetricWrapperBase]) -> list[str]:
    """The table of these metrics as the code has it."""
    lines = []
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        help_ = metric._documentation.rstrip(".")
        lines.append(f"| `{metric._name}` | {metric._type} | {labels} | {help_} |")
    return lines


def keys_table() -> str:
    """The table of keys as the schema has it."""
    head = "| key | type | holds | TTL | written by | read by |\n| --- | --- | --- | --- | --- | --- |\n"
    rows = (
        f"| `{row.pattern}` | {row.type} | {row.holds} | {row.ttl} | {row.writers} | {row.readers} |"
        for row in KEYS.values()
    )
    return head + "\n".join(rows)


def scaling() -> list[tuple[str, list[str]]]:
    """The tables of docs/SCALING.md that follow from the measured figures, and what each stands behind."""
    return [
        ("## What one of each does", capacity.unit_rows()),
        ("| | 1,000/s |", capacity.rate_rows()),
        ("| workflows | events a day of each", capacity.workflow_rows()),
    ]


def main() -> None:
    """Put them all in their places."""
    _replace(ROOT / "README.md", "| setting | default |", setting_rows())
    _replace(ROOT / "docs/METRICS.md", "## Worker", metric_rows(worker_metrics()))
    _replace(ROOT / "docs/METRICS.md", "## Service", metric_rows(service_metrics()))
    for mark, rows in scaling():
        _replace(ROOT / "docs/SCALING.md", mark, rows)
    page = ROOT / "ARCHITECTURE.md"
    before, _, behind = page.read_text(encoding="utf-8").partition("\n| key |")
    rest = re.sub(r"\A[^\n]*\n(?:\|[^\n]*\n)*", "", behind)
    page.write_text(f"{before}\n{keys_table()}\n{rest}", encoding="utf-8")


def _replace(page: Path, mark: str, lines: list[str]) -> None:
    """Give the first table behind a mark other rows; what stands between its head and the next blank line goes."""
    before, found, behind = page.read_text(encoding="utf-8").partition(mark)
    assert found, f"{page} has no {mark!r}"
    new = re.sub(
        r"(\| --- [^\n]*\n)(?:\|[^\n]*\n)*",
        lambda head: head[1] + "".join(f"{line}\n" for line in lines),
        behind,
        count=1,
    )
    page.write_text(before + found + new, encoding="utf-8")


if __name__ == "__main__":
    main()
