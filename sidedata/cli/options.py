"""Groups of commands, settings as flags (from the table in `sidedata.settings`), and the question before a deletion."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar, cast, get_args

import click
import msgspec

from sidedata.cli.command_line import CommandLine
from sidedata.settings import Settings, read_settings, variable

Returned = TypeVar("Returned")

_FIELDS: Final = {field.name: field for field in msgspec.structs.fields(Settings)}

# The settings of a command that only reads or writes the store.
INSTALLATION: Final = ("redis_url", "data_dir", "partitions")

_LONGEST_SENTENCE: Final = 500  # characters


class CommandGroup(click.Group):
    """A group of click; click itself cuts the sentences where a line ends."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the whole first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(_LONGEST_SENTENCE))
                    for name, command in commands
                    if command is not None and not command.hidden
                ]
            )


def settings_options(*names: str) -> Callable[[Callable[..., Returned]], Callable[..., Returned]]:
    """Give a command a flag for each of these settings (all, if none is named) and an argument `settings`.

    A flag has precedence over its environment variable. Settings without a flag are read from the environment all the same.
    """
    selected = names or tuple(_FIELDS)

    def decorate(command: Callable[..., Returned]) -> Callable[..., Returned]:
        @wraps(command)
        def wrapped(*args: object, **kwargs: object) -> Returned:
            flags = {name: cast("str | None", kwargs.pop(name)) for name in selected}
            if command_line := click.get_current_context().find_object(CommandLine):
                command_line.hide(flags)
            return command(*args, settings=read_settings(flags), **kwargs)

        decorated: Callable[..., Returned] = wrapped
        for name in reversed(selected):  # the decorator applied last is listed first
            decorated = click.option(f"--{name.replace('_', '-')}", name, metavar=_metavar(name), help=_help(name))(
                decorated
            )
        return decorated

    return decorate


def _help(name: str) -> str:
    field = _FIELDS[name]
    described = next(meta.description for meta in get_args(field.type)[1:] if meta.description)
    unset = field.default == "" or "unset:" in described
    default = "" if unset else f"; default: {field.default}"
    return f"{described}  [{variable(name)}{default}]"


def _metavar(name: str) -> str:
    # Flags and variables are parsed by the same code, so click only shows the type.
    return "N" if isinstance(_FIELDS[name].default, int) else "TEXT"


def is_interactive(*, yes: bool) -> bool:
    """Tell if a question would be asked: on a terminal, unless `yes`."""
    return not yes and sys.stdin.isatty()


def confirm_deletion(question: str, *, yes: bool) -> None:
    """Ask on a terminal; without one, or with `yes`, the answer is yes.

    Raises:
        click.exceptions.Exit: 1, declined.
    """
    if not is_interactive(yes=yes):
        return
    if not click.confirm(question, err=True):
        click.echo("nothing was deleted", err=True)
        raise click.exceptions.Exit(1)
