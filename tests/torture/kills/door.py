"""The API of one workspace over its socket, and signed deliveries to its listener. A request is
repeated until somebody has answered; `tend` is called in between: the daemon may have been killed.
"""
import base64
import hashlib
import hmac
import http.client
import json
import socket
import time

SECRET = "a secret that everybody may know"
PATIENCE_S = 60


class Gone(Exception):
    """Nobody answered; what was asked for may have been done or not."""


class OverSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("lockstep", timeout=40)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Door:
    def __init__(self, folder, port, tend):
        self.folder, self.port, self.tend = folder, port, tend
        self.acknowledged = []  # (hook, id, body)
        self.answered_late = 0  # acknowledged, but the answer was lost with the process

    def once(self, method, path, body=None):
        connection = OverSocket(self.folder / ".lockstep/socket")
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as gone:
            raise Gone(str(gone)) from gone
        finally:
            connection.close()

    def ask(self, method, path, body=None):
        """The answer of whoever is there and can; for what may be asked twice."""
        def attempt():
            status, document = self.once(method, path, body)
            if status == 503:
                raise Gone(f"503 {document}")
            return status, document

        return self.patiently(attempt)

    def get(self, path):
        status, document = self.ask("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {document}")
        return document

    def deliver(self, hook, name, body):
        """Until it is acknowledged: by 200, or by 409 where the answer was lost."""
        text = json.dumps(body)
        tries = 0

        def attempt():
            nonlocal tries
            tries += 1
            return self.send(hook, name, text)

        status = self.patiently(attempt)
        if status not in (200, 409) or (status == 409 and tries == 1):
            raise AssertionError(f"delivery {name}: {status} at try {tries}")
        self.answered_late += status == 409
        self.acknowledged.append((hook, name, text))

    def send(self, hook, name, text):
        stamp = str(int(time.time()))
        signed = hmac.new(SECRET.encode(), f"{name}.{stamp}.{text}".encode(), hashlib.sha256)
        headers = {"Content-Type": "application/json", "webhook-id": name,
                   "webhook-timestamp": stamp,
                   "webhook-signature": "v1," + base64.b64encode(signed.digest()).decode()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            connection.request("POST", f"/v1/hooks/{hook}", text, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 503:
                raise Gone("503")
            return answer.status
        except (OSError, http.client.HTTPException) as gone:
            raise Gone(str(gone)) from gone
        finally:
            connection.close()

    def patiently(self, attempt):
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return attempt()
            except Gone:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
                self.tend()
