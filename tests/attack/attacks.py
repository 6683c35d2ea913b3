"""Named attacks on a daemon's listener, each with its weakness class (CWE).

  attacks.py PORT FOLDER TOKENS.json     (FOLDER: the workspace; tests/e2e/8003_attacks sets it up)

Every attack is sent as raw bytes: no library between it and the daemon. `status` attacks must be
answered with one of the statuses named, or with a closed connection where that is one of them (0).
"""
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

PORT, FOLDER = int(sys.argv[1]), pathlib.Path(sys.argv[2])
TOKEN = json.load(open(sys.argv[3]))
SECRET = os.environ["HOOK_SECRET"].encode()
failures, done = [], 0


def talk(data, patience_s=15, close=True):
    """Sends the bytes; all that comes back until the connection ends or nothing comes any more."""
    out = b""
    with socket.create_connection(("127.0.0.1", PORT)) as s:
        s.settimeout(patience_s)
        try:
            s.sendall(data)
            if close:
                s.shutdown(socket.SHUT_WR)
            while piece := s.recv(65536):
                out += piece
        except OSError:
            pass
    return out


def status_of(answer):
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def attack(weakness, name, data, allowed, holds=lambda answer: True):
    global done
    done += 1
    answer = talk(data if isinstance(data, bytes) else data.encode())
    status = status_of(answer)
    if status not in allowed or not holds(answer):
        failures.append(f"{weakness} {name}: answered {status}, not {allowed}: {answer[:200]!r}")


def check(weakness, name, good, what=""):
    global done
    done += 1
    if not good:
        failures.append(f"{weakness} {name}: {what}")


def head(line, *headers, token="operator", host="localhost"):
    lines = [line, f"Host: {host}"]
    if token:
        lines.append("Authorization: Bearer " + TOKEN.get(token, token))
    return "\r\n".join([*lines, *headers]) + "\r\n"


def get(path, *headers, **kw):
    return head(f"GET {path} HTTP/1.1", *headers, **kw) + "\r\n"


def post(path, body, *headers, **kw):
    text = body if isinstance(body, str) else json.dumps(body)
    return head(f"POST {path} HTTP/1.1", "Content-Type: application/json",
                f"Content-Length: {len(text.encode())}", *headers, **kw) + "\r\n" + text


# ---- requests that two servers would read in two ways

def smuggling():
    inner = get("/v1/tokens", token="viewer")
    body = "{}"
    for name, headers, allowed in (
            ("CL.TE", ["Content-Length: 2", "Transfer-Encoding: chunked"], (400, 411)),
            ("TE.CL", ["Transfer-Encoding: chunked", "Content-Length: 2"], (400, 411)),
            ("TE alone", ["Transfer-Encoding: chunked"], (411,)),
            ("TE xchunked", ["Transfer-Encoding: xchunked"], (400, 411)),
            ("TE identity, chunked", ["Transfer-Encoding: identity, chunked"], (400, 411)),
            ("two lengths", ["Content-Length: 2", "Content-Length: 2"], (400,)),
            ("two different lengths", ["Content-Length: 2", "Content-Length: 40"], (400,)),
            ("negative length", ["Content-Length: -2"], (400,)),
            ("length with a sign", ["Content-Length: +2"], (400,)),
            ("hexadecimal length", ["Content-Length: 0x2"], (400,)),
            ("length beyond 64 bits", ["Content-Length: 99999999999999999999"], (400, 413)),
            ("space before the colon", ["Content-Length : 2"], (400,)),
            ("folded header", ["X: a", " b", "Content-Length: 2"], (400,)),
            ("no Host", None, (400,)),
    ):
        if headers is None:
            data = f"POST /v1/gc HTTP/1.1\r\nContent-Length: 2\r\n\r\n{body}"
        else:
            data = head("POST /v1/gc HTTP/1.1", *headers) + "\r\n" + body + inner
        attack("CWE-444", name, data, allowed, lambda a: a.count(b"HTTP/1.1 ") == 1)
    for name, data in (
            ("bare LF", head("GET /v1/status HTTP/1.1").replace("\r\n", "\n") + "\n"),
            ("NUL in a header", head("GET /v1/status HTTP/1.1", "X: a\0b") + "\r\n"),
            ("CR in a header", head("GET /v1/status HTTP/1.1", "X: a\rb") + "\r\n"),
            ("two Hosts", head("GET /v1/status HTTP/1.1", "Host: localhost") + "\r\n"),
            ("HTTP/0.9", "GET /v1/status\r\n\r\n"),
            ("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ):
        attack("CWE-444", name, data, (0, 400, 401))
    # Two requests in one go are two: the second one has no token of the first.
    both = talk((get("/v1/status") + get("/v1/tokens", token="")).encode())
    check("CWE-444", "pipelined without a token", b"401" in both.split(b"\r\n\r\n")[-2] or
          both.count(b"HTTP/1.1 401") == 1, both[-300:])


# ---- who may come in

def access():
    for name, path in (("DNS rebinding", "evil.example.com"), ("a name that begins right",
                       "localhost.evil.example.com"), ("user part", "localhost@evil.example.com"),
                       ("dot at the end", "localhost."), ("another loopback address", "127.0.0.2"),
                       ("decimal address", "2130706433"), ("IPv6", "[::1]")):
        attack("CWE-350", name, get("/v1/status", host=path), (421,))
    for name, origin in (("page of another site", "https://evil.example.com"), ("null", "null"),
                         ("our own name", "http://localhost")):
        attack("CWE-352", "Origin: " + name,
               post("/v1/gc", {}, f"Origin: {origin}"), (403,))
    good = TOKEN["admin"]
    for name, header in (
            ("none", ""), ("basic", f"Authorization: Basic {good}\r\n"),
            ("lower case", f"Authorization: bearer {good}\r\n"),
            ("without its scheme", f"Authorization: {good}\r\n"),
            ("twice", f"Authorization: Bearer {good}\r\n" * 2),
            ("cut", f"Authorization: Bearer {good[:-1]}\r\n"),
            ("longer", f"Authorization: Bearer {good}0\r\n"),
            ("upper case", f"Authorization: Bearer {good.upper()}\r\n"),
            ("its digest",
             f"Authorization: Bearer {hashlib.sha256(good.encode()).hexdigest()}\r\n"),
            ("revoked", f"Authorization: Bearer {TOKEN['revoked']}\r\n"),
            ("cookie", f"Cookie: token={good}\r\n"),
            ("forwarded user", "X-Forwarded-User: root\r\nX-Remote-User: root\r\n"),
            ("forwarded address", "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: ::1\r\n")):
        attack("CWE-287", "token: " + name,
               f"GET /v1/tokens HTTP/1.1\r\nHost: localhost\r\n{header}\r\n", (401,))
    attack("CWE-598", "token in the address", get(f"/v1/tokens?token={good}", token=""), (401,))
    for role in ("viewer", "analyst", "operator", "releaser", "approver"):
        attack("CWE-862", f"{role} lists tokens", get("/v1/tokens", token=role), (403,))
        attack("CWE-269", f"{role} makes an admin",
               post("/v1/tokens", {"name": "me", "role": "admin"}, token=role), (403,))
    for path in ("/v1/gc", "/v1/runs", "/v1/release/rollback", "/v1/retry"):
        attack("CWE-862", "viewer posts " + path, post(path, {}, token="viewer"), (403,))
    attack("CWE-650", "method override",
           get("/v1/gc", "X-HTTP-Method-Override: POST", token="viewer"), (405,))
    for method in ("TRACE", "CONNECT", "PUT", "DELETE", "OPTIONS"):
        attack("CWE-693", method, head(f"{method} /v1/status HTTP/1.1") + "\r\n", (400, 405))
    attack("CWE-915", "somebody else's name in the body",
           post("/v1/gc", {"user": "root", "dry_run": True}), (400,))
    attack("CWE-73", "a file of the daemon's machine",
           post("/v1/imports/sheet", {"from": "/etc/passwd"}, token="analyst"), (403,))


# ---- paths, values, sizes

def values():
    for path in ("/v1/../../etc/passwd", "/v1/runs/../../../state.db", "/v1/runs/%2e%2e%2f%2e%2e",
                 "/v1/runs/%252e%252e%252f", "/v1/runs/..%5c..%5cstate.db", "/v1/models/%00",
                 "/v1/models/%c0%ae%c0%ae", "/v1/models/%e0%80%ae", "//v1/status", "/v1//status",
                 "/v1/models/%", "/v1/models/%zz", "http://evil.example.com/v1/status",
                 "/v1/log?run=../../state&step=../../lock", "/v1/release?which=../../state.db"):
        attack("CWE-22", path, get(path), (400, 404, 409),
               lambda a: b"root:" not in a and b"SQLite" not in a)
    for path in ("/v1/models/a%0d%0aSet-Cookie:%20x=1", "/v1/models/a%0aX:%20y"):
        attack("CWE-113", path, get(path), (400, 404),
               lambda a: b"\r\nset-cookie" not in a.lower() and b"\nX: y" not in a)
    for name, body in (
            ("deep JSON", "[" * 100_000 + "]" * 100_000),
            ("deep objects", '{"a":' * 200 + "1" + "}" * 200),
            ("a list", "[]"), ("a text", '"gc"'), ("no JSON", "{dry_run: true}"),
            ("NUL in a text", '{"reason": "a\\u0000b"}'),
            ("half a surrogate", '{"reason": "\\ud800"}'),
            ("an unknown field", '{"__proto__": {"role": "admin"}}'),
            ("a text for a flag", '{"dry_run": "true"}'),
            ("a number beyond all", '{"dry_run": 1e999}')):
        attack("CWE-20", name, post("/v1/gc", body), (400,))
    attack("CWE-400", "a head of a megabyte", get("/v1/status", "X: " + "a" * (1 << 20)), (0, 431))
    attack("CWE-400", "ten thousand headers",
           get("/v1/status", *[f"X{i}: y" for i in range(10_000)]), (0, 431))
    attack("CWE-400", "a body of 9 MB, announced",
           head("POST /v1/gc HTTP/1.1", "Content-Length: 9000000") + "\r\n", (413,))
    attack("CWE-400", "a delivery of 26 MB, announced",
           head("POST /v1/hooks/forge HTTP/1.1", "Content-Length: 27000000", token="") + "\r\n",
           (413,))
    attack("CWE-409", "a compressed body",
           post("/v1/gc", {}, "Content-Encoding: gzip"), (415,))


# ---- webhooks

def signed(body, secret=SECRET, **change):
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push",
               "X-GitHub-Delivery": f"d-{time.time_ns()}",
               "X-Hub-Signature-256":
                   "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}
    headers.update({name.replace("_", "-"): value for name, value in change.items()})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return (head("POST /v1/hooks/forge HTTP/1.1", *lines, f"Content-Length: {len(body)}", token="")
            + "\r\n").encode() + body


def push(ref="refs/heads/main"):
    return json.dumps({"ref": ref, "before": "1" * 40, "after": "2" * 40, "created": False,
                       "deleted": False, "forced": False, "sender": {"login": "ann"},
                       "repository": {"full_name": "acme/code",
                                      "html_url": "https://github.com/acme/code"}}).encode()


def webhooks():
    good = push()
    attack("control", "a good delivery", signed(good), (200,))
    mac = hmac.new(SECRET, good, hashlib.sha256).hexdigest()
    for name, data in (
            ("no signature", signed(good, X_Hub_Signature_256=None)),
            ("another secret", signed(good, secret=b"another secret than this one")),
            ("no secret", signed(good, secret=b"")),
            ("another body", signed(good).replace(b'"forced": false', b'"forced": true ')),
            ("SHA-1", signed(good, X_Hub_Signature_256=None, X_Hub_Signature="sha1=" +
                             hmac.new(SECRET, good, hashlib.sha1).hexdigest())),
            ("named none", signed(good, X_Hub_Signature_256="none")),
            ("without its algorithm", signed(good, X_Hub_Signature_256=mac)),
            ("named sha512", signed(good, X_Hub_Signature_256="sha512=" + mac)),
            ("upper case", signed(good, X_Hub_Signature_256="sha256=" + mac.upper())),
            ("cut", signed(good, X_Hub_Signature_256="sha256=" + mac[:-2])),
            ("of nothing", signed(good, X_Hub_Signature_256="sha256="))):
        attack("CWE-347", name, data, (400, 403))
    twice = signed(good).replace(b"X-Hub-Signature-256:", b"X-Hub-Signature-256: sha256=00\r\n"
                                 b"X-Hub-Signature-256:", 1)
    attack("CWE-347", "two signatures", twice, (400, 403))
    once = signed(push("refs/heads/replayed"))
    attack("control", "a delivery", once, (200,))
    attack("CWE-294", "the same once more", once, (409,))
    moved = once.replace(b"X-GitHub-Delivery: d-", b"X-GitHub-Delivery: e-")
    attack("CWE-294", "the same under another id", moved, (409,))
    for ref in ("refs/heads/../../x", "refs/heads/a b", "refs/heads/a\nb", "refs/heads/-x",
                "refs/heads/a\x1b[2J", "refs/heads/$(reboot)~1", "../../main"):
        attack("CWE-20", "ref " + repr(ref), signed(push(ref)), (400,))
    for name, body in (("a key twice", b'{"ref": "refs/heads/a", "ref": "refs/heads/b"}'),
                       ("deep", b'{"a":' * 500 + b"1" + b"}" * 500), ("no JSON", b"payload"),
                       ("nothing", b"")):
        attack("CWE-20", "delivery: " + name, signed(body), (400,))
    attack("CWE-22", "hook ../forge",
           post("/v1/hooks/..%2fforge", {}, token=""), (400, 404))


# ---- slow and many

def slow():
    idle = []
    for _ in range(70):
        try:
            idle.append(socket.create_connection(("127.0.0.1", PORT), timeout=5))
        except OSError:
            break
    for s in idle:
        try:
            s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: local")
        except OSError:
            pass
    begin = time.monotonic()
    told = subprocess.run(["lockstep", "-C", str(FOLDER), "--json", "status"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
    check("CWE-400", "70 idle connections: the command line still answers",
          told.returncode == 0 and time.monotonic() - begin < 5,
          f"{time.monotonic() - begin:.1f} s")
    idle[0].settimeout(25)
    begin = time.monotonic()
    try:
        while idle[0].recv(4096):
            pass
    except OSError:
        pass
    check("CWE-400", "a head that never ends is cut off", time.monotonic() - begin < 20,
          f"{time.monotonic() - begin:.1f} s")
    for s in idle:
        s.close()
    time.sleep(0.3)
    attack("control", "and others are served again", get("/v1/status"), (200,))


# ---- what is left behind

def traces():
    forged = "wrong labels\\n2026-01-01T00:00:00Z root admin here POST /v1/gc 200 \\u001b[2J"
    attack("CWE-117", "a reason with a line of its own",
           post("/v1/gc", '{"dry_run": true, "reason": "' + forged + '"}'), (400, 403))
    attack("control", "a path with escapes", get("/v1/models/%1b%5b2J%0aroot"), (400, 404))
    shown = subprocess.run(["lockstep", "-C", str(FOLDER), "audit", "--limit", "1000"],
                           stdout=subprocess.PIPE).stdout
    check("CWE-150", "no escape sequences in the audit", b"\x1b" not in shown)
    check("CWE-117", "no forged line in the audit",
          not any(line.startswith(b"2026-01-01") for line in shown.splitlines()))
    for path, mode in ((".lockstep", 0o700), (".lockstep/socket", 0o600),
                       (".lockstep/tokens.json", 0o600), (".lockstep/audit.jsonl", 0o600)):
        real = (FOLDER / path).stat().st_mode & 0o777
        check("CWE-276", path, real & ~mode == 0, oct(real))
    kept = b"".join(p.read_bytes() for p in (FOLDER / ".lockstep").rglob("*")
                    if p.is_file() and p.stat().st_size < 1 << 24)
    log = pathlib.Path(os.environ["SERVE_LOG"]).read_bytes()
    for name, secret in [("hook", SECRET)] + [(n, t.encode()) for n, t in TOKEN.items()]:
        check("CWE-532", f"secret of {name} in state or log", secret not in kept + log)


for part in (smuggling, access, values, webhooks, slow, traces):
    part()
for line in failures:
    print(line)
print(f"{done} attacks, {len(failures)} not refused as they should be")
sys.exit(1 if failures else 0)
