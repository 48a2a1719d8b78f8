"""`sidedata inspect`: the progress of the workers, the use of memory, and the meaning of a key."""

import click
import msgspec
from click.core import ParameterSource

from sidedata.cli.commands.answering import open_answering_store
from sidedata.cli.commands.watch import watch
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, CommandGroup, settings_options
from sidedata.cli.stopping import until_stopped
from sidedata.cli.tables import print_table, print_text
from sidedata.errors import StopError, UsageError
from sidedata.inspect.keys.explain import Explanation, explain
from sidedata.inspect.overview import Overview, is_idle, read_overview
from sidedata.inspect.samples import Memory, read_memory
from sidedata.inspect.server_findings import measured_by
from sidedata.reads.servers import read_servers
from sidedata.settings import Settings

_PERCENT = 100


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="one JSON object; with --watch one a line")
@click.option("--watch", "watching", is_flag=True, help="refresh each second, with rates, until Ctrl-C")
@click.option("--all", "everything", is_flag=True, help="show idle partitions, too")
@click.option("--memory", is_flag=True, help="bytes of each kind of key, from a sample")
@click.option("--workflows", is_flag=True, help="the biggest workflows, from the same sample")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    metavar="N",
    help="number of keys to sample",
)
@settings_options(*INSTALLATION, "lease_ms")
@click.pass_context
def inspect(
    context: click.Context,
    settings: Settings,
    *,
    as_json: bool,
    watching: bool,
    everything: bool,
    memory: bool,
    workflows: bool,
    sample: int,
) -> None:
    """Show backlog, dead letters and owners of all partitions.

    The table leaves idle partitions out: they have an owner, and never had an event.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    if watching:
        if memory or workflows:
            raise UsageError("--watch shows partitions only; ask for --memory and --workflows without it")
        run(until_stopped(watch(settings, as_json=as_json)))
        return

    async def command() -> tuple[Overview, Memory | None, str]:
        async with open_answering_store(settings) as (gateway, installation):
            overview = await read_overview(gateway, installation, settings)
            if not memory and not workflows:
                return overview, None, ""
            return overview, await read_memory(gateway, sample), measured_by(await read_servers(gateway))

    overview, measurement, allocator = run(command())
    if as_json:
        fields = msgspec.structs.asdict(overview)
        if measurement is not None:
            fields |= {"memory": measurement.by_kind, "keys": measurement.keys, "sampled_keys": measurement.sampled}
            fields |= {"workflows": measurement.workflows}
        click.echo(msgspec.json.encode(fields))
        return
    _print_partitions(overview, everything=everything)
    if measurement is not None:
        _print_memory(measurement, allocator, kinds=memory, workflows=workflows)


@inspect.command("key")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@settings_options(*INSTALLATION, "keep_ids_hours")
def explain_key(name: str, settings: Settings, *, as_json: bool) -> None:
    """Explain the key NAME: the parts of its name, its TTL, its size and its value."""

    async def command() -> Explanation:
        async with open_answering_store(settings) as (gateway, installation):
            return await explain(gateway, installation, settings, name)

    explanation = run(command())
    if as_json:
        click.echo(msgspec.json.encode(explanation))
    else:
        click.secho(explanation.key, bold=True)
        width = max(len(heading) for heading, _ in explanation.rows)
        for heading, text in explanation.rows:
            print_text(f"  {heading:<{width}}  ", text)
    if not explanation.exists:
        raise StopError(f"there is no key {name} now")


def _refuse_options(context: click.Context) -> None:
    """Refuse options in front of the subcommand, which would be ignored silently."""
    for parameter in context.command.params:
        if context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} belongs behind `inspect {context.invoked_subcommand}`")


def _print_partitions(overview: Overview, *, everything: bool) -> None:
    shown = [state for state in overview.states if everything or not is_idle(state, overview)]
    rows = [
        (
            state.partition,
            state.owner or "none",
            state.lag_entries,
            f"{state.lag_seconds:.1f}",
            state.events_applied,
            state.dead_letters,
        )
        for state in shown
    ]
    if rows:
        print_table(("partition", "owner", "waiting", "lag (s)", "applied", "dead letters"), rows)
    if idle := len(overview.states) - len(shown):
        click.echo(f"{idle} idle partitions are left out; --all shows them")
    click.echo(
        f"partitions: {overview.partitions}, workers: {overview.workers}, "
        f"entries to apply: {overview.lag_entries},\n"
        f"events applied: {overview.events_applied}, dead letters: {overview.dead_letters}"
    )
    if not overview.workers:
        click.echo("no worker applies events: start a worker (`sidedata worker`, or `sidedata up`)", err=True)
    if overview.dead_letters:
        click.echo("`sidedata dead list` says why events could not be applied", err=True)


def _print_memory(memory: Memory, allocator: str, *, kinds: bool, workflows: bool) -> None:
    whole = memory.estimated_bytes or 1
    scaled = memory.sampled < memory.keys
    if kinds:
        print_table(
            ("kind of key", "keys", "bytes", "share", "bytes a key"),
            (
                (
                    kind.kind,
                    kind.estimated_keys,
                    kind.estimated_bytes,
                    f"{_PERCENT * kind.estimated_bytes / whole:.1f} %",
                    round(kind.bytes / kind.keys),
                )
                for kind in memory.by_kind
            ),
        )
    if workflows:
        print_table(
            ("workflow", "kind", "bytes", "share", "organization and name"),
            (
                (
                    workflow.workflow,
                    workflow.kind,
                    workflow.estimated_bytes,
                    f"{_PERCENT * workflow.estimated_bytes / whole:.1f} %",
                    f"{workflow.organization} {workflow.name}".rstrip(),
                )
                for workflow in memory.workflows
            ),
        )
    click.echo(
        f"{memory.sampled} of {memory.keys} keys measured{allocator}"
        + (", the rest is estimated; --sample measures more" if scaled else "")
    )
