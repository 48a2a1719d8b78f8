"""Secrets that came as flags are taken off the command line, which every user of the machine can read.

The environment of a process is seen by its own user alone. So a process that was given a secret by a flag starts itself anew,
under the same number and before it does anything, with the secret in its environment. For that moment it could be seen, and the
shell remembers what was typed: setting the environment to begin with is better.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sidedata.settings import variable

_OPENS_DOORS: Final = ("secret", "redis_url")


class CommandLine(NamedTuple):
    """How this process was started: Python's own arguments first."""

    words: Sequence[str]

    def hide(self, flags: Mapping[str, str | None]) -> None:
        """Start anew if one of the flags holds a secret; doesn't return then."""
        secrets = {name: value for name in _OPENS_DOORS if (value := flags.get(name)) and _secret(name, value)}
        if secrets:
            environment = os.environ | {variable(name): value for name, value in secrets.items()}
            os.execve(sys.executable, without(self.words, secrets), environment)  # noqa: S606 - ourselves


def _secret(name: str, value: str) -> bool:
    """An address is one only with a password in it, before the host or among the parameters."""
    return name != "redis_url" or "@" in value or "password" in value


def without(words: Sequence[str], flags: Mapping[str, str]) -> list[str]:
    """The words of a command line without these flags and their values, in either form."""
    kept: list[str] = []
    index = 0
    pairs = {(f"--{name.replace('_', '-')}", value) for name, value in flags.items()}
    joined = {f"{flag}={value}" for flag, value in pairs}
    while index < len(words):
        if tuple(words[index : index + 2]) in pairs:
            index += 2
            continue
        if words[index] not in joined:
            kept.append(words[index])
        index += 1
    return kept
