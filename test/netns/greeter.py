"""Programs of a host: greeter.py NAME ADDRESS,PORT[,v2] ... greets on each of these as
`NAME client=ADDRESS to=ADDRESS:PORT`, as the kernel tells it, or with v2 as the PROXY header does; then it repeats what it is told.
Says `ready` when it listens everywhere."""
import socket
import struct
import sys
import threading


def endpoints(connection, proxied):
    if not proxied:
        client, here = connection.getpeername(), connection.getsockname()
        return client[0], here[0], here[1]
    header = connection.recv(16, socket.MSG_WAITALL)
    if len(header) < 16 or header[12] == 0x20:
        return None
    rest = connection.recv(struct.unpack('!H', header[14:16])[0], socket.MSG_WAITALL)
    family, size = (socket.AF_INET6, 16) if header[13] == 0x21 else (socket.AF_INET, 4)
    client, here = socket.inet_ntop(family, rest[:size]), socket.inet_ntop(family, rest[size:2 * size])
    return client, here, struct.unpack('!H', rest[2 * size + 2:2 * size + 4])[0]


def greet(name, connection, proxied):
    with connection:
        try:
            found = endpoints(connection, proxied)
            if found:
                connection.sendall(f'{name} client={found[0]} to={found[1]}:{found[2]}\n'.encode())
                while said := connection.recv(100):
                    connection.sendall(said)
        except OSError:
            pass


def serve(name, server, proxied):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=greet, args=(name, connection, proxied), daemon=True).start()


for place in sys.argv[2:]:
    address, port, *kind = place.split(',')
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    server = socket.create_server((address, int(port)), family=family, backlog=128)
    threading.Thread(target=serve, args=(sys.argv[1], server, bool(kind)), daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
