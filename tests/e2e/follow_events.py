"""Follows events of a daemon over its Unix socket, like a browser: it comes again with the last id
it saw, whatever happened to the daemon. Writes each event as a line of JSON to stdout.

  python3 follow_events.py SOCKET [--last ID] [--until TEXT] [--seconds N] [--target /events]
"""
import argparse
import json
import socket
import sys
import time


def connect(path, target, last):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(1)
    sock.connect(path)
    head = f"GET {target} HTTP/1.1\r\nHost: lockstep\r\nAccept: text/event-stream\r\n"
    if last is not None:
        head += f"Last-Event-ID: {last}\r\n"
    sock.sendall((head + "\r\n").encode())
    return sock


def blocks(sock, until):
    buffer, headed = b"", False
    while time.monotonic() < until:
        try:
            piece = sock.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return
        if not piece:
            return
        buffer += piece
        if not headed and b"\r\n\r\n" in buffer:
            head, buffer = buffer.split(b"\r\n\r\n", 1)
            headed = True
            if not head.startswith(b"HTTP/1.1 200"):
                sys.exit(head.decode())
        while headed and b"\n\n" in buffer:
            block, buffer = buffer.split(b"\n\n", 1)
            yield block.decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--last")
    parser.add_argument("--until")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--target", default="/events")
    args = parser.parse_args()
    end, last = time.monotonic() + args.seconds, args.last
    while time.monotonic() < end:
        try:
            sock = connect(args.socket, args.target, last)
        except OSError:
            time.sleep(0.1)  # the daemon is being started again
            continue
        for block in blocks(sock, end):
            fields = dict(line.split(": ", 1) for line in block.split("\n")
                          if ": " in line and not line.startswith(":"))
            last = fields.get("id", last)
            if "data" not in fields:
                continue
            one = {"id": last, "event": fields["event"], "data": json.loads(fields["data"])}
            print(json.dumps(one), flush=True)
            if args.until and args.until in json.dumps(one):
                return
            if fields["event"] == "end":
                return
        sock.close()
        time.sleep(0.05)
    if args.until:
        sys.exit(f"{args.until} did not come")


main()
