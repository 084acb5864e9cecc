"""Both ends of many connections, for tests in namespaces: a service that says which host it is on, and clients of any address.

    sessions.py serve NAME [proxied] ADDRESS... PORT...
        greets with "NAME CLIENT PORT", answers each line with itself, and "bulk" with bytes for ever; at a port above 8000 it waits
        for an HTTP request and answers with that. With `proxied` a PROXY v2 header tells the client.
    sessions.py clients                           one JSON command a line, one JSON answer each with its "id"
"""
import asyncio
import json
import socket
import struct
import sys

WAIT_S = 8


async def proxied_peer(reader):
    header = await reader.readexactly(16)
    rest = await reader.readexactly(struct.unpack("!H", header[14:16])[0])
    if header[12] == 0x20:
        return None
    family, size = (socket.AF_INET6, 16) if header[13] == 0x21 else (socket.AF_INET, 4)
    return socket.inet_ntop(family, rest[:size]), struct.unpack("!H", rest[2 * size : 2 * size + 2])[0]


async def answer_http(reader, writer, text):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(text) + text)
    await writer.drain()


async def serve(name, proxied, addresses, ports):
    async def talk(reader, writer):
        try:
            peer = await proxied_peer(reader) if proxied else writer.get_extra_info("peername")
            if peer is None:
                return
            text = f"{name} {peer[0]} {peer[1]}\n".encode()
            if writer.get_extra_info("sockname")[1] > 8000:
                await answer_http(reader, writer, text)
                return
            writer.write(text)
            while line := await reader.readline():
                if line.strip() == b"bulk":
                    while True:
                        writer.write(b"x" * 65536)
                        await writer.drain()
                        await asyncio.sleep(0.01)
                writer.write(line)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    for address in addresses:
        for port in ports:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # The address may come later.
            listener.setsockopt(socket.IPPROTO_IP, 15, 1)
            listener.bind((address, port))
            await asyncio.start_server(talk, sock=listener, backlog=4096)
    print("ready", flush=True)
    await asyncio.Event().wait()


sessions = {}
loads = {}


async def connect(command):
    family = socket.AF_INET6 if ":" in command["to"] else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # An address of a local route is no address of an interface, which IPv6 asks for.
    one.setsockopt(socket.IPPROTO_IP, 15, 1)
    one.bind((command["from"], command.get("sport", 0)))
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(loop.sock_connect(one, (command["to"], command["port"])), command.get("wait", WAIT_S))
        reader, writer = await asyncio.open_connection(sock=one)
        if command.get("http"):
            writer.write(b"GET / HTTP/1.1\r\nhost: lab\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), command.get("wait", WAIT_S))
        line = (await asyncio.wait_for(reader.readline(), command.get("wait", WAIT_S))).decode().split()
    except BaseException:
        one.close()
        raise
    if command.get("hold"):
        sessions[command["id"]] = (reader, writer)
    else:
        writer.close()
    return {"host": line[0], "seen": line[1], "seenPort": int(line[2])} if line else {"error": "closed"}


async def ask(command):
    """Sends a line in a session that was held and waits for it to come back."""
    reader, writer = sessions[command["session"]]
    writer.write(b"are you there\n")
    line = await asyncio.wait_for(reader.readline(), command.get("wait", WAIT_S))
    return {"alive": line == b"are you there\n"}


async def bulk(command):
    """Lets a held session be sent bytes for ever; `count` tells how many came."""
    reader, writer = sessions[command["session"]]
    writer.write(b"bulk\n")
    load = loads[command["session"]] = {"bytes": 0, "ended": None}

    async def read():
        try:
            while block := await reader.read(1 << 18):
                load["bytes"] += len(block)
            load["ended"] = "closed"
        except OSError as error:
            load["ended"] = str(error)

    load["task"] = asyncio.create_task(read())
    return {}


async def count(command):
    load = loads[command["session"]]
    return {"bytes": load["bytes"], "ended": load["ended"]}


async def drop(command):
    if command["session"] in sessions:
        sessions.pop(command["session"])[1].close()
    return {}


VERBS = {"connect": connect, "ask": ask, "bulk": bulk, "count": count, "drop": drop}


async def carry_out(command):
    try:
        answer = await VERBS[command["verb"]](command)
    except (OSError, KeyError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        answer = {"error": type(error).__name__}
    print(json.dumps({"id": command["id"], **answer}), flush=True)


async def clients():
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(carry_out(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if sys.argv[1] == "serve":
    rest = [one for one in sys.argv[3:] if one != "proxied"]
    asyncio.run(serve(sys.argv[2], "proxied" in sys.argv, [a for a in rest if not a.isdigit()], [int(p) for p in rest if p.isdigit()]))
else:
    asyncio.run(clients())
