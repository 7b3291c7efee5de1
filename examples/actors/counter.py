#!/usr/bin/env python3
"""A counter that speaks the actor protocol (docs/guide/actor-protocol.md), without dependencies.

add(n) adds a whole number (an i64 scalar; the constant `by`, or 1, where none is given), get()
tells the count."""

import json
import os
import socket
import struct

HELLO, START, CALL, CHECKPOINT, RESTORE, STOP = range(1, 7)
READY, RESULT, ERROR = 65, 66, 67
VERSION = 1
I64 = 3  # The number of the element type.

sock = socket.socket(fileno=int(os.environ["DRAWLOOM_ACTOR_FD"]))


class Frame:
    """Reads a frame from its beginning to its end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (value,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def bytes(self, length):
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self):
        return self.bytes(self.number("I")).decode()

    def values(self):
        """Values as (element type, extents, bytes)."""
        found = []
        for _ in range(self.number("H")):
            dtype, rank = self.number("B"), self.number("B")
            extents = [self.number("Q") for _ in range(rank)]
            found.append((dtype, extents, self.bytes(self.number("Q"))))
        return found


def exactly(length):
    data = bytearray()
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise SystemExit  # The executor is gone.
        data += piece
    return bytes(data)


def receive():
    return Frame(exactly(*struct.unpack("<I", exactly(4))))


def send(kind, body):
    sock.sendall(struct.pack("<IB", 1 + len(body), kind) + body)


def whole(number):
    """An i64 scalar as a list of one value."""
    return struct.pack("<HBBQq", 1, I64, 0, 8, number)


def main():
    count = 0
    while True:
        frame = receive()
        kind = frame.number("B")
        if kind == HELLO:
            send(READY, struct.pack("<H", VERSION))
        elif kind in (START, RESTORE):  # Constants, of which this actor takes none, or its state.
            if kind == RESTORE:
                (count,) = struct.unpack("<q", frame.values()[0][2])
            send(RESULT, struct.pack("<QH", 0, 0))
        elif kind == CHECKPOINT:
            send(RESULT, struct.pack("<Q", frame.number("Q")) + whole(count))
        elif kind == CALL:
            call, method, constants = frame.number("Q"), frame.text(), json.loads(frame.text())
            arguments = frame.values()
            if method == "add":
                given = [struct.unpack("<q", data)[0] for _, _, data in arguments]
                count += sum(given) if given else constants.get("by", 1)
            elif method != "get":
                message = f"counter.py has no method {method!r}; it has add, get".encode()
                send(ERROR, struct.pack("<QI", call, len(message)) + message)
                continue
            send(RESULT, struct.pack("<Q", call) + whole(count))
        elif kind == STOP:
            return


main()
