"""Who may ask: tokens, stored as hashes only.

`sd:tokens` maps the SHA-256 of a token to its record. Plain SHA-256 will do, unlike for passwords: a token is 256
random bits, so there is nothing to guess that a slow hash would protect. Nor does the look-up need a comparison in
constant time: what its timing could tell is how far a *hash* matches, and nobody can choose a token towards a hash.

When a token was last used stands in a hash beside, written once a minute at most, because a service that may only read
must be able to look tokens up all the same.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

import msgspec

from sidedata.errors import StopError, UsageError
from sidedata.events.decode import canonical_uuid
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys
from sidedata.schema.records import MAX_NAME_CHARACTERS, plain_name

Scope = Literal["reports", "ingest", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
EVERY_ORGANIZATION: Final = "all"
# How coarse the time of the last use is: a busy token costs a write a minute and not one a request.
USED_SECONDS: Final = 60

_TOKEN: Final = re.compile(r"sd_[A-Za-z0-9_-]{43}")
_USED: Final = script("used")


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a token allows; times are seconds since the epoch, `organization` is "all" or a UUID."""

    id: str
    organization: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float | None = None
    name: str = ""
    used_at: float | None = None  # known to `list_all` only, and to a minute

    def expired(self, now: float) -> bool:
        """Whether its time is over; whoever remembers records has to ask again."""
        return self.expires_at is not None and self.expires_at <= now

    def allows(self, scope: Scope) -> bool:
        """Whether it may do what needs that scope."""
        return scope in self.scopes

    def concerns(self, organization_id: str) -> bool:
        """Whether it is for that organization, given as 36 lowercase characters."""
        return self.organization in (EVERY_ORGANIZATION, organization_id)


_decoder = msgspec.json.Decoder(TokenRecord)


async def create(
    client: Client,
    organization: str | None,
    scopes: Sequence[str],
    expires_at: float | None = None,
    name: str = "",
) -> tuple[str, TokenRecord]:
    """Make a token of one organization, or of all (None); its text is returned with the record and stored nowhere.

    Raises:
        UsageError: no UUID, no scope or an unknown one, an end that has passed already, or too long a name.
        StoreUnavailableError: Redis is out of reach.
    """
    now = time.time()
    owner = EVERY_ORGANIZATION if organization is None else canonical_uuid(organization)
    if owner is None:
        raise UsageError(f"not a UUID of 36 characters: {organization!r}")
    allowed = tuple(scope for scope in SCOPES if scope in scopes)
    if not allowed or unknown_scopes(scopes):
        raise UsageError(f"a token needs one or more of the scopes {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= now:
        raise UsageError("the token's end has passed already")
    if not plain_name(name):
        raise UsageError(f"a token's name is text of at most {MAX_NAME_CHARACTERS} characters")
    token = f"sd_{secrets.token_urlsafe(32)}"
    record = TokenRecord(
        id=secrets.token_hex(6), organization=owner, scopes=allowed, created_at=now, expires_at=expires_at, name=name
    )
    with translated():
        await client.hset(keys.TOKENS, _digest(token), msgspec.json.encode(record))
    return token, record


async def find(client: Client, token: str, now: float | None = None) -> TokenRecord | None:
    """The record of a token; None if it is unknown, revoked or expired at `now` (default: the machine's clock).

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    # What can't be one of ours isn't worth a question; a header can hold any bytes, too, and not all are text to hash.
    if not _TOKEN.fullmatch(token):
        return None
    with translated():
        stored: bytes | None = await client.hget(keys.TOKENS, _digest(token))
    if stored is None:
        return None
    record = _read(stored)
    return None if record.expired(time.time() if now is None else now) else record


async def list_all(client: Client) -> list[TokenRecord]:
    """All tokens, expired ones too, oldest first.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    with translated():
        stored: list[bytes] = await client.hvals(keys.TOKENS)
        used: dict[bytes, bytes] = await client.hgetall(keys.TOKENS_USED)
    records = [_read(value) for value in stored]
    records = [
        msgspec.structs.replace(record, used_at=float(used[record.id.encode()]))
        if record.id.encode() in used
        else record
        for record in records
    ]
    return sorted(records, key=lambda record: (record.created_at, record.id))


async def note_use(client: Client, token_id: str, now: float) -> bool:
    """Remember that a token, named by its public id, was used; False if a use of the last minute is known already.

    Raises:
        StopError: this process may not write.
        StoreUnavailableError: Redis is out of reach.
    """
    with translated():
        return bool(await _USED(client, [keys.TOKENS_USED], [token_id, int(now), USED_SECONDS]))


async def revoke(client: Client, token_id: str) -> bool:
    """Make a token, named by its public id, unknown; False if there was none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return bool(await _remove(client, lambda record: record.id == token_id))


async def revoke_all_of(client: Client, organization_id: str) -> int:
    """Make all tokens of that one organization unknown, and say how many there were; those for all stay.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return await _remove(client, lambda record: record.organization == organization_id)


async def _remove(client: Client, chosen: Callable[[TokenRecord], bool]) -> int:
    with translated():
        stored: dict[bytes, bytes] = await client.hgetall(keys.TOKENS)
        records = {field: _read(value) for field, value in stored.items()}
        fields = [field for field, record in records.items() if chosen(record)]
        removed = int(await client.hdel(keys.TOKENS, *fields)) if fields else 0
        # A use may be noted in the very moment of the revocation, so what is left of earlier ones goes along.
        living = {record.id.encode() for field, record in records.items() if field not in fields}
        gone = [name for name in await client.hkeys(keys.TOKENS_USED) if name not in living]
        if gone:
            await client.hdel(keys.TOKENS_USED, *gone)
        return removed


def unknown_scopes(scopes: Sequence[str]) -> list[str]:
    """Those that are no scopes."""
    return [scope for scope in scopes if scope not in SCOPES]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _read(stored: bytes) -> TokenRecord:
    try:
        return _decoder.decode(stored)
    except msgspec.DecodeError as error:
        raise StopError(f"a record in {keys.TOKENS} can't be read: {error}") from error
