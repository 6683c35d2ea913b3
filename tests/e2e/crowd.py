"""A crowd before a daemon, and how long `status` takes meanwhile.

  python3 crowd.py SOCKET HOST PORT TOKEN FOLLOWERS SLOW SECONDS COMMAND…

FOLLOWERS connections follow events and stay idle; of SLOW clients one third sends its request a
byte at a time, one third asks for much and reads nothing, one third follows events and reads
nothing. Then the COMMAND is run again and again, and the Unix socket asked directly. Prints one
line of JSON: {"followers", "slow", "asked", "command_ms": {"p50", "p99", "most"}, "socket_ms"}.
"""
import json
import resource
import socket
import subprocess
import sys
import time


def request(target, token):
    return (f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "\r\n").encode()


def crowd(host, port, token, followers, slow):
    there = []
    for n in range(followers + slow):
        one = socket.create_connection((host, port), timeout=10)
        there.append(one)
        kind = -1 if n < followers else n % 3
        if kind == 0:
            one.sendall(b"G")
        else:
            one.sendall(request("/v1/runs?limit=100" if kind == 1 else "/events", token))
        if kind == -1:
            head = one.recv(4096)
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                sys.exit(f"follower {n} is refused: {head!r}")
    return there


def ask(path):
    begin = time.monotonic()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(path)
        sock.sendall(b"GET /v1/status HTTP/1.1\r\nHost: lockstep\r\nConnection: close\r\n\r\n")
        text = b""
        while piece := sock.recv(65536):
            text += piece
    if b" 200 " not in text.split(b"\r\n", 1)[0]:
        sys.exit(f"status: {text[:200]!r}")
    return (time.monotonic() - begin) * 1000


def run(command):
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.monotonic() - begin) * 1000


def digest(times):
    times.sort()
    return {"p50": round(times[len(times) // 2], 1), "p99": round(times[len(times) * 99 // 100], 1),
            "most": round(times[-1], 1)}


def main():
    path, host, port, token, followers, slow, seconds = sys.argv[1:8]
    command = sys.argv[8:]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    there = crowd(host, int(port), token, int(followers), int(slow))
    trickling = there[int(followers):]
    end = time.monotonic() + float(seconds)
    commands, asked = [], []
    while time.monotonic() < end:
        for one in trickling[::3]:
            try:
                one.send(b"E")
            except OSError:
                pass  # turned away for being slow, as it should be
        commands.append(run(command))
        asked.append(ask(path))
    print(json.dumps({"followers": int(followers), "slow": int(slow), "asked": len(asked),
                      "command_ms": digest(commands), "socket_ms": digest(asked)}))


main()
