"""Named SSRF attacks (CWE-918) on a daemon that fetches sheets.

  ssrf.py write INNER OUTER       prints the imports of lockstep.yaml that are the attacks
  ssrf.py attack INNER OUTER      asks for each of them (tests/e2e/8003_attacks sets it up)

INNER is the port of a server that nobody may reach; OUTER of one that the operator named, whose
redirects lead to it. REBIND_LOG: what tests/attack/rebind.c tells.
"""
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INNER, OUTER = int(sys.argv[2]), int(sys.argv[3])

# A host that stands in the workspace, and is no address as people write it.
SPELLINGS = {
    "decimal": "2130706433", "octal": "017700000001", "hexadecimal": "0x7f000001",
    "dotted-hexadecimal": "0x7f.0x0.0x0.0x1", "dotted-octal": "0177.0.0.01", "short": "127.1",
    "decimal-of-a-cloud": "2852039166", "link-local": "169.254.169.254",
    "metadata-by-ipv6": "[fd00:ec2::254]", "unspecified": "0.0.0.0", "zero": "0",
}
# Where a server that was named sends us.
REDIRECTS = {
    "to-another-port": "http://127.0.0.1:%d/", "to-localhost": "http://localhost:%d/",
    "to-tls": "https://127.0.0.1:%d/", "to-decimal": "https://2130706433:%d/",
    "to-ipv6": "https://[::1]:%d/", "to-mapped": "https://[::ffff:127.0.0.1]:%d/",
    "to-mapped-hexadecimal": "https://[::ffff:7f00:1]:%d/",
    "to-compatible": "https://[::127.0.0.1]:%d/", "to-nat64": "https://[64:ff9b::7f00:1]:%d/",
    "to-6to4": "https://[2002:7f00:1::]:%d/", "to-unspecified-ipv6": "https://[::]:%d/",
    "to-metadata": "https://169.254.169.254/latest/meta-data/",
    "to-metadata-clear": "http://169.254.169.254/latest/meta-data/",
    "to-private": "https://10.0.0.1:%d/", "to-shared": "https://100.64.0.1:%d/",
    "to-unique-local": "https://[fd12:3456::1]:%d/", "to-file": "file:///etc/passwd",
    "to-gopher": "gopher://127.0.0.1:%d/_",
}


def target(pattern):
    return pattern % INNER if "%d" in pattern else pattern


def write():
    for name, host in SPELLINGS.items():
        print(f'  ssrf-{name}: {{table: utterances, from: "https://{host}:{INNER}/x"}}')
    for name in REDIRECTS:
        print(f'  ssrf-{name}: {{table: utterances, from: "http://127.0.0.1:{OUTER}/{name}"}}')
    print(f'  ssrf-rebinding: {{table: utterances, from: "https://rebind.test:{INNER}/x"}}')


class Outer(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", target(REDIRECTS[self.path[1:]]))
        self.send_header("Content-Length", "0")
        self.end_headers()


def listen(family, address):
    """Every connection counts, whatever is said on it."""
    reached = []
    server = socket.create_server((address, INNER), family=family)

    def serve():
        while True:
            connection, _ = server.accept()
            reached.append(address)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return reached


def attack():
    reached = [listen(socket.AF_INET, "0.0.0.0")]
    try:
        reached.append(listen(socket.AF_INET6, "::1"))
    except OSError:
        pass  # no IPv6 here: the daemon must refuse all the same
    outer = ThreadingHTTPServer(("127.0.0.1", OUTER), Outer)
    threading.Thread(target=outer.serve_forever, daemon=True).start()
    failures = []
    names = [*SPELLINGS, *REDIRECTS, "rebinding"]
    for name in names:
        told = subprocess.run(["lockstep", "--json", "import", "ssrf-" + name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        if told.returncode == 0 or any(reached):
            failures.append(f"CWE-918 {name}: reached {reached}: {told.stdout!r}")
        said = told.stdout.decode()
        refused = "is not spoken to" in said or "does not lead to" in said
        if name != "rebinding" and not refused:
            failures.append(f"CWE-918 {name}: not refused, {said}")
        for one in reached:
            one.clear()
    log = pathlib.Path(os.environ["REBIND_LOG"]).read_text().splitlines()
    if log[:2] != ["asked 8.8.8.8", "connected 8.8.8.8"] or "asked 127.0.0.1" in log:
        failures.append(f"CWE-918 rebinding: {log}")
    for line in failures:
        print(line)
    print(json.dumps({"attacks": len(names), "not refused": len(failures)}))
    sys.exit(1 if failures else 0)


write() if sys.argv[1] == "write" else attack()
