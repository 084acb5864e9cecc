"""Sends one packet from each client address and port on standard input: a TCP SYN, or an empty UDP datagram.

    oracle-send.py DESTINATION4 DESTINATION6 PORT      lines on standard input: `tcp 192.0.2.1 40000`

The sockets are transparent, so that the kernel itself builds the packets although the addresses are nobody's here.
`raw` instead of a protocol: a datagram in an IPv6 packet made by hand, for sources that no socket would take.
"""

import socket
import sys

IPV6_TRANSPARENT = 75  # linux/in6.h; Python has no name for it
IP_TRANSPARENT = 19  # linux/in.h


def send_plain(protocol, address, port, destination):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as s:
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        s.setblocking(False)
        s.bind((address, port))
        if protocol == "udp":
            s.sendto(b"", destination)
            return
        try:
            s.connect(destination)
        except BlockingIOError:
            pass  # the SYN is out; closing the socket now sends nothing more


def send_raw(address, port, destination):
    """A whole IPv6 packet made by hand: no socket would put such a source into it."""
    udp = port.to_bytes(2, "big") + destination[1].to_bytes(2, "big") + bytes([0, 8, 0, 0])
    header = bytes([0x60, 0, 0, 0, 0, len(udp), socket.IPPROTO_UDP, 64])
    ends = socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, destination[0])
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        s.sendto(header + ends + udp, (destination[0], 0))


def main():
    destination4, destination6, destination_port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for line in sys.stdin:
        protocol, address, port = line.split()
        destination = (destination6 if ":" in address else destination4, destination_port)
        if protocol == "raw":
            send_raw(address, int(port), destination)
        else:
            send_plain(protocol, address, int(port), destination)


main()
