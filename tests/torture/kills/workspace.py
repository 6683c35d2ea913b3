"""One workspace that is played with: rounds of commits, deliveries, tokens, and what must then be
there. Knows nothing of who is killed.
"""
import socket
import time

from door import Door, Gone
from scene import CHECK, Scene

SETTLED_WITHIN_S = 240  # a busy machine takes its time


class Workspace:
    """A scene, its processes and the way in; plays rounds."""

    def __init__(self, folder, processes):
        folder.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.scene = Scene(folder)
        self.scene.make(self.port)
        self.processes = processes
        self.door = Door(folder, self.port, lambda: processes.tend())
        self.tokens = {}  # name → ended?
        self.approved = 0

    def play(self, kind, clients, pauses, serial):
        if kind == "rows":
            for number, (client, pause) in enumerate(zip(clients, pauses)):
                self.scene.change_rows(client, serial * 4 + number)
                self.door.deliver("rows", f"rows-{serial}-{number}", {
                    "event": "push", "repository": "acme/rows", "ref": "refs/heads/main"})
                time.sleep(pause)
                self.processes.tend()
        elif kind == "code":
            commit = self.scene.change_code()
            self.door.deliver("checks", f"ci-{serial}", {
                "event": "ci", "repository": "acme/code",
                "ci": {"name": CHECK, "conclusion": "success", "commit": commit}})
        elif kind == "token":
            self.play_token(serial)
        else:
            self.door.ask("POST", "/v1/gc", {"reason": "to see"})
        self.settle()
        self.processes.round_over()

    def play_token(self, serial):
        """Makes one, and ends it. Where the answer was lost, the next try says that it is there."""
        name = f"token-{serial}"
        status, made = self.door.ask("POST", "/v1/tokens", {"name": name, "role": "viewer"})
        if status not in (200, 409):
            raise AssertionError(f"token: {status} {made}")
        self.tokens[name] = False
        status, ended = self.door.ask("POST", f"/v1/tokens/{name}/revoke", {})
        if status not in (200, 404):  # 404: it has ended
            raise AssertionError(f"revoke: {status} {ended}")
        self.tokens[name] = True

    def settle(self):
        wanted, until = self.scene.models(), time.monotonic() + SETTLED_WITHIN_S
        while True:
            self.processes.tend()
            try:
                status, models = self.door.once("GET", "/v1/models")
                seen = {m["name"]: (m["version"], m["sha256"]) for m in models}
                idle = self.idle()
                if status == 200 and seen == wanted and idle:
                    return
                if status == 200 and idle:
                    self.approve([name for name in wanted if seen.get(name) != wanted[name]])
            except (Gone, KeyError, TypeError):
                seen = {}
            if time.monotonic() > until:
                raise AssertionError(f"not within {SETTLED_WITHIN_S} s: " + "; ".join(
                    f"{name} is {seen.get(name)}, not {want}" for name, want in wanted.items()
                    if seen.get(name) != want) + f"; runs: {self.door.get('/v1/runs?limit=2')}")
            time.sleep(0.02)

    def approve(self, names):
        """What a gate asks about; of the others nobody waits for it."""
        for name in names:
            status, said = self.door.once("POST", f"/v1/models/{name}/approve", {"reason": "seen"})
            self.approved += status == 200
            if status not in (200, 404, 409, 503):
                raise AssertionError(f"approve {name}: {status} {said}")

    def idle(self):
        status, runs = self.door.once("GET", "/v1/runs?limit=1")
        return status == 200 and runs and runs[0]["result"] != "running"

    def tag(self):
        return self.door.get("/v1/release")["tag"]
