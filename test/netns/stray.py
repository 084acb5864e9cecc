"""Packets of connections that nobody has: stray.py IPV4 IPV6 PORT COUNT. Prints how many answers came within two seconds."""
import select
import socket
import struct
import sys
import time

to4, to6, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def send(family, source, to, sport):
    one = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    # IP_FREEBIND, IPV6_FREEBIND
    one.setsockopt(*((socket.IPPROTO_IPV6, 78) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 15)), 1)
    one.bind((source, 0))
    ack = 0x10
    header = struct.pack("!HHIIBBHHH", sport, port, 1000, 2000, 5 << 4, ack, 512, 0, 0)
    length = struct.pack("!BBH", 0, 6, len(header)) if family == socket.AF_INET else struct.pack("!IHBB", len(header), 0, 0, 6)
    pseudo = socket.inet_pton(family, source) + socket.inet_pton(family, to) + length
    header = header[:16] + struct.pack("!H", checksum(pseudo + header)) + header[18:]
    one.sendto(header, (to, 0))


listeners = [socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(kind)) for kind in (0x0800, 0x86DD)]
for listener in listeners:
    listener.bind(("eth0", 0))
for i in range(count):
    send(socket.AF_INET, f"198.18.77.{i + 1}", to4, 50000 + i)
    send(socket.AF_INET6, f"fd98::77:{i + 1:x}", to6, 50000 + i)
answers = 0
end = time.monotonic() + 2
while (left := end - time.monotonic()) > 0:
    for listener in select.select(listeners, [], [], left)[0]:
        packet, where = listener.recvfrom(2048)
        if where[2] == 4:
            continue
        is_tcp = packet[9] == 6 if packet[0] >> 4 == 4 else packet[6] == 6
        answers += is_tcp
print(f"{answers} answers")
