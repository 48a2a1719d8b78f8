"""The redaction of secrets in texts from outside: a server's errors may repeat the arguments of a command, a password among them.

The secrets belong to the process, because its log does: every gateway registers the password of its address.
"""

import re
from typing import Final
from urllib.parse import quote

_HIDDEN: Final = "***"
# A server that lacks a command repeats its arguments; servers and proxies differ in how they introduce them.
_ARGUMENTS: Final = re.compile(r"[,;:]?\s*\b(?:with )?(?:args|arguments)\b.*", re.DOTALL | re.IGNORECASE)
# The name of a command, a right or a type is worth reading; any other quotation is data.
_QUOTED: Final = re.compile(r"(['\"`])(?!\$?[A-Za-z|_. -]{1,32}\1)(?:(?!\1).)*(?:\1|$)", re.DOTALL)
# Redis's own sentences with a word or a mark that begins data elsewhere, each with the wording that stays whole.
_SENTENCES: Final = (
    (re.compile(r"permissions to run the '([a-z][a-z|_-]{0,31})' command\b"), r"permissions to run the command \1"),
    (re.compile(r"(access one of the (?:keys|channels)) used as arguments\Z"), r"\1 of the command"),
    (
        re.compile(r"(access at least one of the (?:keys|channels)) mentioned in the command arguments\Z"),
        r"\1 of the command",
    ),
    (
        re.compile(r"The user executing the script can't (run this command|access)\b"),
        r"The user executing the script may not \1",
    ),
)
_MOST_CHARACTERS: Final = 200
_SHORTEST: Final = 4  # characters of a secret: a shorter one stands in too many words

_secrets: set[str] = set()


def register(secret: str) -> None:
    """Hide a secret in every text from now on, in its encoded form too."""
    if len(secret) >= _SHORTEST:
        _secrets.update((secret, quote(secret), quote(secret, safe=""), secret.encode("unicode_escape").decode()))


def redact(text: str) -> str:
    """Replace registered secrets, the longest first, because one may contain another."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


def first_line(error: BaseException) -> str:
    """Cut an error's text to one short line without secrets, arguments of commands and quoted data."""
    text = redact(str(error))
    for sentence, wording in _SENTENCES:
        text = sentence.sub(wording, text)
    lines = _QUOTED.sub("'…'", _ARGUMENTS.sub("", text)).splitlines()
    return lines[0][:_MOST_CHARACTERS] if lines else type(error).__name__
