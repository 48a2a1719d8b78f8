"""`sidedata`: one command line for the commands of all packages.

The entry points "sidedata.commands" name the commands, so that no package imports another one for them, and each command is
imported when it runs. Errors become an exit status here and nowhere else: 2 for misuse, 1 for failure with one line on stderr,
130 after Ctrl-C.
"""

import os
import sys
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import click

from sidedata.cli.command_line import CommandLine
from sidedata.cli.extras import missing_extra
from sidedata.cli.options import CommandGroup
from sidedata.cli.parent import end_with_parent
from sidedata.errors import SidedataError, StoreUnavailableError, UsageError

GROUP: Final = "sidedata.commands"
_INTERRUPTED: Final = 130  # 128 and the number of SIGINT, as shells have it


class _Failure(click.ClickException):
    """An error as click shows it: one line on stderr and an exit status."""

    def __init__(self, error: SidedataError) -> None:
        advice = "; `sidedata doctor` says what to do" if isinstance(error, StoreUnavailableError) else ""
        super().__init__(" ".join(str(error).split()) + advice)


class _Misuse(_Failure):
    exit_code = 2


class LazyGroup(CommandGroup):
    """The commands of all packages, by name."""

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List all names in alphabetical order."""
        return sorted({*super().list_commands(ctx), *self._entry_points})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; an unknown name gets the nearest ones as suggestions.

        Groups of click suggest by themselves, but only commands that are imported.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            name = error.command_name
            raise click.exceptions.NoSuchCommand(name, possibilities=self.list_commands(ctx), ctx=ctx) from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name; None if there is none."""
        entry = self._entry_points.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        try:
            command = entry.load()
        except ModuleNotFoundError as error:
            raise click.ClickException(f"`sidedata {cmd_name}` {missing_extra(error)}") from error
        assert isinstance(command, click.Command)  # noqa: S101 - a mistake in pyproject.toml
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; errors of this project become click's."""
        try:
            return super().invoke(ctx)
        except SidedataError as error:
            raise (_Misuse if isinstance(error, UsageError) else _Failure)(error) from error
        except ModuleNotFoundError as error:  # a command imports some packages when it needs them
            raise click.ClickException(f"`sidedata {ctx.invoked_subcommand}` {missing_extra(error)}") from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of the output has closed it. The rest of Python's buffer would fail once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(1) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sidedata", prog_name="sidedata", message="%(prog)s %(version)s")
def cli() -> None:
    """Counts visitors, goals and purchases of workflows, for any interval.

    Every setting is a flag and an environment variable; `sidedata COMMAND --help` names both.
    """


def main() -> None:
    """Run the command line; the entry point of the installed `sidedata`."""
    end_with_parent()
    # Colours go to terminals only; https://no-color.org defines the variable that switches them off there.
    cli(prog_name="sidedata", obj=CommandLine(sys.orig_argv), color=False if os.environ.get("NO_COLOR") else None)


if __name__ == "__main__":
    main()
