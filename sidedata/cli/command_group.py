"""A group of commands whose help names each one by a whole sentence."""

from typing import Final

import click

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
