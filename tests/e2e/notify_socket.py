"""What systemd hears: binds the datagram socket NOTIFY_SOCKET and writes each message as a line of
JSON {"time", …assignments} to stdout, until it is ended.

  python3 notify_socket.py SOCKET
"""
import json
import os
import socket
import sys
import time

sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o600)
while True:
    message = sock.recv(65536).decode()
    fields = dict(line.split("=", 1) for line in message.split("\n") if line)
    print(json.dumps({"time": time.monotonic(), **fields}), flush=True)
