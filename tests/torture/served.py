"""A workspace in a folder of its own and the daemon that serves it, for programs that put it under
load for long. Knows nothing of what the workspace holds or what is done to it."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Served:
    def __init__(self, folder, **env):
        self.folder = folder
        self.env = dict(os.environ, GIT_AUTHOR_NAME="Load", GIT_AUTHOR_EMAIL="l@example.org",
                        GIT_COMMITTER_NAME="Load", GIT_COMMITTER_EMAIL="l@example.org",
                        GIT_CONFIG_GLOBAL="/dev/null", **env)
        self.bin = os.environ.get("LOCKSTEP_BIN", str(ROOT / "build/bin"))

    def git(self, name, *words, **more):
        subprocess.run(["git", "-C", str(self.folder / name), *words], env=self.env, check=True,
                       stdout=subprocess.DEVNULL, **more)

    def lockstep(self, *words):
        done = subprocess.run([f"{self.bin}/lockstep", "--json", *words], cwd=self.folder,
                              env=self.env, capture_output=True, timeout=300)
        return json.loads(done.stdout) if done.stdout else None

    def start(self):
        with open(self.folder / "serve.log", "ab") as log:
            self.daemon = subprocess.Popen([f"{self.bin}/lockstep", "serve"], cwd=self.folder,
                                           env=self.env, stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL)
        while not self.answers():  # a command would take the workspace itself meanwhile
            if self.daemon.poll() is not None:
                raise SystemExit(f"serve ended; see {self.folder}/serve.log")
            time.sleep(0.05)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as one:
            return one.connect_ex(str(self.folder / ".lockstep/socket")) == 0

    def settled(self):
        """Is every step current at the heads, and no run under way?"""
        try:
            runs = self.lockstep("runs") or [{"result": "running"}]
            if any(run["result"] == "running" for run in runs):
                return False
            plan = self.lockstep("plan")
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return False
        return bool(plan) and set(plan.get("counts", {"no": 1})) == {"current"}

    def settle(self, seconds=300):
        """Waits for that; False when it takes too long."""
        end = time.monotonic() + seconds
        while not self.settled():
            if time.monotonic() > end:
                return False
            time.sleep(0.3)
        return True

    def use(self, pid):
        """(MiB of memory that is its own, open files)"""
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(text.split("RssAnon:")[1].split()[0]) / 1024, len(os.listdir(f"/proc/{pid}/fd"))

    def cpu(self, pid):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def runner(self):
        return int((self.folder / ".lockstep/runner/lock").read_text())

    def stop(self, runner_too=True):
        runner = self.runner()
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(60)
        if runner_too:
            os.kill(runner, signal.SIGTERM)
