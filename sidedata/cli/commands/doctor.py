"""`sidedata doctor`: what is wrong, and what to do about it."""

import os
import sys
from pathlib import Path

import click
import msgspec

from sidedata.cli.connection import TIMEOUT_SECONDS
from sidedata.cli.event_loop import run
from sidedata.cli.options import settings_options
from sidedata.embedded.data_directory import embedded_secret
from sidedata.embedded.server import redis_url
from sidedata.inspect.doctor import examine
from sidedata.inspect.server_findings import Finding
from sidedata.redis.client import connect
from sidedata.settings import Settings

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "cyan"}
_CHOSEN = (
    "redis_url",
    "data_dir",
    "partitions",
    "secret",
    "lease_ms",
    "backlog_limit",
    "affect_hours",
    "wait_replicas",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="a JSON object: problems, findings")
@click.option("--sample", type=click.IntRange(min=1), default=20_000, show_default=True, help="keys to look at")
@settings_options(*_CHOSEN)
def doctor(settings: Settings, *, as_json: bool, sample: int) -> None:
    """Check settings, Redis, leases, streams and keys, and say what to do; exits 1 if there is a problem."""
    if not settings.redis_url and (Path(settings.data_dir) / "secret").exists():
        settings = msgspec.structs.replace(settings, secret=embedded_secret(settings))

    async def command() -> list[Finding]:
        async with redis_url(settings) as url:
            client = connect(url, timeout=TIMEOUT_SECONDS)
            try:
                return await examine(client, settings, os.environ, sample=sample)
            finally:
                await client.aclose()

    findings = run(command())
    problems = sum(finding.problem for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode({"problems": problems, "findings": findings}))
    else:
        for finding in findings:
            click.echo(
                f"{click.style(f'{finding.status:<8}', fg=_COLOURS[finding.status])} {finding.name}: {finding.detail}"
            )
            if finding.advice:
                click.echo(f"{'':<8} → {finding.advice}")
        click.echo(f"{problems} problems" if problems != 1 else "1 problem")
    if problems:
        sys.exit(1)
