"""Sends a SYN every few milliseconds, each from another client in turn, and prints who answers each: one JSON line an answer.

    syn-watch.py PORT EVERY_MS ADDRESS=MAC...      {"client": "198.18.1.1", "sport": 1025, "host": "MAC of the answer", "ms": 12.5}

Frames are made by hand, so no retry of a kernel blurs what one SYN was answered with; the client's kernel resets what is answered.
Clients are 40 addresses of each family that has a virtual IP. Ends with its input.
"""
import json
import select
import socket
import struct
import sys
import time

PORT, EVERY_S = int(sys.argv[1]), float(sys.argv[2]) / 1000
TARGETS = [one.split("=") for one in sys.argv[3:]]
CLIENTS = {4: [f"198.18.88.{i}" for i in range(1, 41)], 6: [f"fd98::88:{i:x}" for i in range(1, 41)]}
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
OWN = wire.getsockname()[4]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(client, sport, to, mac):
    """An Ethernet frame with a SYN."""
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    ends = socket.inet_pton(family, client) + socket.inet_pton(family, to)
    tcp = struct.pack("!HHIIBBHHH", sport, PORT, 7, 0, 5 << 4, 2, 8192, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(ends + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    if family == socket.AF_INET6:
        return mac + OWN + struct.pack("!HIHBB", 0x86DD, 6 << 28, len(tcp), 6, 64) + ends + tcp
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + ends
    return mac + OWN + b"\x08\x00" + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


def answered(packet):
    """(client, its port, MAC of the sender) of a SYN with ACK from our port; None for anything else."""
    kind, ip = packet[12:14], packet[14:]
    if kind == b"\x08\x00" and ip[9] == 6:
        tcp, client = ip[(ip[0] & 15) * 4 :], socket.inet_ntop(socket.AF_INET, ip[16:20])
    elif kind == b"\x86\xdd" and ip[6] == 6:
        tcp, client = ip[40:], socket.inet_ntop(socket.AF_INET6, ip[24:40])
    else:
        return None
    sport, dport, flags = struct.unpack("!H", tcp[:2])[0], struct.unpack("!H", tcp[2:4])[0], tcp[13]
    return (client, dport, packet[6:12].hex(":")) if sport == PORT and flags & 0x12 == 0x12 else None


def say(**fact):
    print(json.dumps({**fact, "ms": round(time.monotonic() * 1000, 1)}), flush=True)


def send(count):
    to, mac = TARGETS[count % len(TARGETS)]
    clients = CLIENTS[6 if ":" in to else 4]
    turn = count // len(TARGETS)
    client, sport = clients[turn % len(clients)], 1025 + turn // len(clients)
    say(client=client, sport=sport, host=None)
    wire.send(frame(client, sport, to, bytes.fromhex(mac.replace(":", ""))))


next_s, sent = time.monotonic(), 0
while True:
    for ready in select.select([wire, sys.stdin], [], [], max(0, next_s - time.monotonic()))[0]:
        if ready is sys.stdin:
            sys.exit()
        found = answered(wire.recv(2048))
        if found:
            say(client=found[0], sport=found[1], host=found[2])
    if time.monotonic() >= next_s:
        send(sent)
        sent += 1
        next_s = time.monotonic() + EVERY_S
