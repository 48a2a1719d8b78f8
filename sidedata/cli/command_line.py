"""Removal of secrets from the command line, which every user of the machine can read.

Only its own user can read the environment of a process. So a process with a secret in a flag executes itself again before it does
anything else, under the same process id, with the secret in its environment. The secret is visible until then, and the shell's
history keeps it: setting the environment in the first place is better.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sidedata.settings import variable

_SECRETS: Final = ("secret", "redis_url")


class CommandLine(NamedTuple):
    """The command line of this process, Python's own arguments first."""

    words: Sequence[str]

    def hide(self, flags: Mapping[str, str | None]) -> None:
        """Execute this process again if one of the flags holds a secret; does not return then."""
        secrets = {name: value for name in _SECRETS if (value := flags.get(name)) and _is_secret(name, value)}
        if secrets:
            environment = os.environ | {variable(name): value for name, value in secrets.items()}
            os.execve(sys.executable, without_flags(self.words, secrets), environment)  # noqa: S606 - this very program


def _is_secret(name: str, value: str) -> bool:
    """Tell if a value is secret; an address is if it has a password, before the host or among the parameters."""
    return name != "redis_url" or "@" in value or "password" in value


def without_flags(words: Sequence[str], flags: Mapping[str, str]) -> list[str]:
    """Remove flags and their values, in either form, from the words of a command line."""
    rest: list[str] = []
    index = 0
    pairs = {(f"--{name.replace('_', '-')}", value) for name, value in flags.items()}
    joined = {f"{flag}={value}" for flag, value in pairs}
    while index < len(words):
        if tuple(words[index : index + 2]) in pairs:
            index += 2
            continue
        if words[index] not in joined:
            rest.append(words[index])
        index += 1
    return rest
