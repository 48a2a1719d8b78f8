"""`sidedata inspect`: how far the workers are."""

import click
import msgspec

from store.cli.connection import opened
from store.cli.event_loop import run
from store.cli.options import STORE, settings_options
from store.cli.tables import print_table
from store.overview import Overview, read_overview
from store.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@settings_options(*STORE, "lease_ms")
def inspect(settings: Settings, *, as_json: bool) -> None:
    """Show backlog, dead letters and owners of all partitions."""

    async def command() -> Overview:
        async with opened(settings) as (client, installation):
            return await read_overview(client, installation, settings)

    overview = run(command())
    if as_json:
        click.echo(msgspec.json.encode(overview))
        return
    print_table(
        ("partition", "owner", "lag (entries)", "events applied", "dead letters"),
        (
            (state.partition, state.owner or "nobody", state.lag_entries, state.events_applied, state.dead_letters)
            for state in overview.states
        ),
    )
    click.echo(
        f"{overview.partitions} partitions, {overview.workers} workers, {overview.lag_entries} entries to apply, "
        f"{overview.events_applied} events applied, {overview.dead_letters} dead letters"
    )
