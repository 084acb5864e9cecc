"""Connections without a pause until standard input ends: knocker.py ADDRESS PORT ... Prints how many were greeted, and how the
others ended. The first one to each port stays open meanwhile; `held` counts those that still are at the end."""
import json
import select
import socket
import sys

address, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]


def connect(port):
    connection = socket.create_connection((address, port), timeout=10)
    if not connection.recv(200):
        raise OSError('closed without a greeting')
    return connection


held = [connect(port) for port in ports]
greeted, failures = 0, []
print('ready', flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for port in ports:
        try:
            connect(port).close()
            greeted += 1
        except OSError as error:
            failures.append(f'{port}: {error}')
ended = select.select(held, [], [], 0)[0]
print(json.dumps({'greeted': greeted, 'failures': failures, 'held': len(held) - len(ended)}), flush=True)
