"""`sidedata doctor`: problems of an installation, with advice."""

import os
import sys
from typing import Final

import click
import msgspec

from sidedata.cli.connection import open_gateway
from sidedata.cli.event_loop import run
from sidedata.cli.options import settings_options
from sidedata.cli.tables import print_text
from sidedata.embedded.server import attach
from sidedata.inspect.doctor import examine
from sidedata.inspect.finding import Finding
from sidedata.settings import Settings

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "cyan"}
OPTIONS: Final = (
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
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="number of keys to sample",
)
@settings_options(*OPTIONS)
def doctor(settings: Settings, *, as_json: bool, sample: int) -> None:
    """Check settings, Redis, leases, streams and keys, and give advice; exits 1 if there is a problem, a warning included."""

    async def command() -> list[Finding]:
        async with attach(settings) as attached, open_gateway(attached) as gateway:
            return await examine(gateway, attached, os.environ, sample=sample)

    findings = run(command())
    problems = sum(finding.problem for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode({"problems": problems, "findings": findings}))
    else:
        for finding in findings:
            print_text(f"{finding.status:<9}", f"{finding.name}: {finding.detail}", fg=_COLOURS[finding.status])
            if finding.advice:
                print_text(f"{'':<9}→ ", finding.advice)
        click.echo(f"{problems} problems" if problems != 1 else "1 problem")
    if problems:
        sys.exit(1)
