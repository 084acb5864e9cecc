"""Many clients on one machine: clients.py, one command a line on standard input, one line of JSON as the answer.

    ask ADDRESS PORT SECONDS CLIENT ...     each client connects once and reads a line: {client: line, or "" for none}
    hold ADDRESS PORT SECONDS CLIENT ...    as ask, and the sessions stay open
    check SECONDS                           each held session says something and hears it again: {client: true or false}
    drop                                    ends the held sessions

A client's address is nobody's: the sockets are transparent, and the routes of the machine bring the answers here.
"""
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

IPV6_TRANSPARENT = 75  # linux/in6.h; Python has no name for it
IP_TRANSPARENT = 19  # linux/in.h
held = {}


def connect(client, address, port, seconds):
    six = ':' in client
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, IPV6_TRANSPARENT if six else IP_TRANSPARENT, 1)
    s.settimeout(seconds)
    try:
        s.bind((client, 0))
        s.connect((address, port))
        return s, line_of(s)
    except OSError:
        s.close()
        return None, ''


def line_of(s):
    line = b''
    while not line.endswith(b'\n'):
        part = s.recv(200)
        if not part:
            break
        line += part
    return line.decode().strip()


def ask(client, address, port, seconds, keep):
    s, line = connect(client, address, port, seconds)
    if s and keep:
        held[client] = s
    elif s:
        s.close()
    return client, line


def lives(client, s, seconds):
    try:
        s.settimeout(seconds)
        s.sendall(f'{client}\n'.encode())
        return client, line_of(s) == client
    except OSError:
        return client, False


with ThreadPoolExecutor(64) as pool:
    for command in sys.stdin:
        verb, *words = command.split()
        if verb in ('ask', 'hold'):
            address, port, seconds, *clients = words
            run = lambda client: ask(client, address, int(port), float(seconds), verb == 'hold')
            answer = dict(pool.map(run, clients))
        elif verb == 'check':
            answer = dict(pool.map(lambda each: lives(*each, float(words[0])), list(held.items())))
        else:
            for s in held.values():
                s.close()
            held.clear()
            answer = {}
        print(json.dumps(answer), flush=True)
