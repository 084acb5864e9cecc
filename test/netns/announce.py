"""Announces an address on an interface: announce.py DEVICE ADDRESS. A gratuitous ARP, or an unsolicited neighbour advertisement."""
import socket
import struct
import sys

device, address = sys.argv[1:]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((device, 0))
mac = raw.getsockname()[4]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


if ":" in address:
    own = socket.inet_pton(socket.AF_INET6, address)
    everybody = socket.inet_pton(socket.AF_INET6, "ff02::1")
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + own + bytes([2, 1]) + mac
    pseudo = own + everybody + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    packet = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + own + everybody + body
    raw.send(bytes.fromhex("333300000001") + mac + b"\x86\xdd" + packet)
else:
    own = socket.inet_aton(address)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + own + bytes(6) + own
    raw.send(b"\xff" * 6 + mac + b"\x08\x06" + arp)
