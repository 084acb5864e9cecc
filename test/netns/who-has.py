"""Asks a link again and again who has an IPv4 address, and tells who answered: one line of JSON when its input ends.

    python3 who-has.py eth0 10.77.0.200

Each question is one moment. It goes out with a sender address of its own (198.19.0.0/16, which is this machine's), and an answer
names that: so one that comes late is told from one to the next question.
"""
import json
import select
import socket
import struct
import sys
import time

EVERY_S = 0.05
device, wanted = sys.argv[1], socket.inet_aton(sys.argv[2])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
link.bind((device, 0x0806))
link.setblocking(False)
own = link.getsockname()[4]
# BOUNDED: one entry a question; a test asks some thousands.
answers = []
print("ready", flush=True)
last = 0.0
while True:
    now = time.monotonic()
    if now - last >= EVERY_S:
        last = now
        sender = bytes([198, 19, (len(answers) >> 8) & 255, len(answers) & 255])
        answers.append([])
        head = struct.pack("!6s6sHHHBBH", b"\xff" * 6, own, 0x0806, 1, 0x0800, 6, 4, 1)
        link.send(head + own + sender + b"\0" * 6 + wanted)
    readable, _, _ = select.select([link, sys.stdin], [], [], max(0.0, last + EVERY_S - time.monotonic()))
    if sys.stdin in readable:
        break
    while link in readable:
        try:
            frame = link.recv(128)
        except BlockingIOError:
            break
        operation, mac, sender, target = struct.unpack("!20xH6s4s6x4s", frame[:42])
        if operation != 2 or sender != wanted or target[:2] != b"\xc6\x13":
            continue
        number = (target[2] << 8) | target[3]
        name = mac.hex(":")
        if number < len(answers) and name not in answers[number]:
            answers[number].append(name)
told = [macs for macs in answers if macs]
turns = [macs[0] for i, macs in enumerate(told) if i == 0 or told[i - 1][0] != macs[0]]
print(json.dumps({"asked": len(answers), "doubles": [macs for macs in told if len(macs) > 1], "answered": turns}), flush=True)
