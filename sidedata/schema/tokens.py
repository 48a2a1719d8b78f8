"""The records of tokens; Redis holds hashes of tokens, never a token. No I/O.

`sd:tokens` maps the SHA-256 of a token to its record. Plain SHA-256 is enough, unlike for passwords: a token is 256 random bits, so
a slow hash would protect nothing that can be guessed. The look-up needs no comparison in constant time: its timing reveals at most
how far a *hash* matches, and an attacker cannot choose a token with a given hash.

A second hash holds the time of a token's last use and is written once a minute at most. It is a key of its own, because a service
without the right to write must still be able to look tokens up.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from sidedata.errors import StopError, UsageError
from sidedata.events.decode import canonical_uuid
from sidedata.schema import keys
from sidedata.schema.records import MAX_NAME_CHARACTERS, is_valid_name

Scope = Literal["reports", "ingest", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
EVERY_ORGANIZATION: Final = "all"
# The precision of the time of the last use: a busy token costs a write a minute and not one a request.
USE_SECONDS: Final = 60

_TOKEN: Final = re.compile(r"sd_[A-Za-z0-9_-]{43}")


class TokenRecord(Struct, frozen=True, kw_only=True):
    """The rights of a token; times are seconds since the epoch, `organization` is "all" or a UUID."""

    id: str
    organization: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float | None = None
    name: str = ""
    used_at: float | None = None  # filled by `list_tokens` only, to a minute

    def expired(self, now: float) -> bool:
        """Tell if the token has expired; a cache of records has to check it at each use."""
        return self.expires_at is not None and self.expires_at <= now

    def allows(self, scope: Scope) -> bool:
        """Tell if the token has that scope."""
        return scope in self.scopes

    def concerns(self, organization_id: str) -> bool:
        """Tell if the token is for that organization, given as 36 lowercase characters."""
        return self.organization in (EVERY_ORGANIZATION, organization_id)


_decoder: Final = msgspec.json.Decoder(TokenRecord)


def generate(
    organization: str | None, scopes: Sequence[str], now: float, expires_at: float | None = None, name: str = ""
) -> tuple[str, TokenRecord]:
    """Generate a token of one organization, or of all (None); returns its text and its record.

    Raises:
        UsageError: no UUID, no scope or an unknown one, an expiry in the past, or too long a name.
    """
    owner = EVERY_ORGANIZATION if organization is None else canonical_uuid(organization)
    if owner is None:
        raise UsageError(f"not a UUID of 36 characters: {organization!r}")
    allowed = tuple(scope for scope in SCOPES if scope in scopes)
    if not allowed or unknown_scopes(scopes):
        raise UsageError(f"a token needs one or more of the scopes {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= now:
        raise UsageError("the token's expiry has passed already")
    if not is_valid_name(name):
        raise UsageError(f"a token's name is text of at most {MAX_NAME_CHARACTERS} characters")
    record = TokenRecord(
        id=secrets.token_hex(6), organization=owner, scopes=allowed, created_at=now, expires_at=expires_at, name=name
    )
    return f"sd_{secrets.token_urlsafe(32)}", record


def unknown_scopes(scopes: Sequence[str]) -> list[str]:
    """List the texts that are no scopes."""
    return [scope for scope in scopes if scope not in SCOPES]


def is_token(text: str) -> bool:
    """Tell if a text has the form of a token; a header can hold any bytes, and not all are text that can be hashed."""
    return _TOKEN.fullmatch(text) is not None


def digest(token: str) -> str:
    """Compute the SHA-256 under which a token is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def encode(record: TokenRecord) -> bytes:
    """Encode a record as it is stored."""
    return msgspec.json.encode(record)


def decode(stored: bytes) -> TokenRecord:
    """Decode a stored record.

    Raises:
        StopError: the record is damaged.
    """
    try:
        return _decoder.decode(stored)
    except msgspec.DecodeError as error:
        raise StopError(f"a record in {keys.TOKENS} can't be read: {error}") from error
