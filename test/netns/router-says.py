"""What a router says that wants smaller packets, one in each family: router-says.py IPV4 IPV6, about connections of the client."""
import socket
import struct
import sys

to4, to6 = sys.argv[1:]
TCP_START = struct.pack("!HHI", 25, 40000, 1)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def inner4():
    header = struct.pack("!BBHHHBBH", 0x45, 0, 1500, 1, 0x4000, 64, 6, 0)
    header += socket.inet_aton(to4) + socket.inet_aton("198.18.1.1")
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


body = struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + inner4() + TCP_START
body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw4.sendto(body, (to4, 0))

ends = socket.inet_pton(socket.AF_INET6, to6) + socket.inet_pton(socket.AF_INET6, "fd98::1")
inner6 = struct.pack("!IHBB", 6 << 28, 1440, 6, 64) + ends
# The kernel fills in the checksum of ICMPv6.
raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw6.sendto(struct.pack("!BBHI", 2, 0, 0, 1300) + inner6 + TCP_START, (to6, 0))
