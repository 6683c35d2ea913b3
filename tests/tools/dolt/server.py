"""A Dolt server of one's own for programs that measure or torture: start, kill, stop, SQL.

Knows nothing of Lockstep. LOCKSTEP_DOLT names the program, else tests/tools/dolt/build its place.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def find_dolt():
    if os.environ.get("LOCKSTEP_DOLT"):
        return os.environ["LOCKSTEP_DOLT"]
    done = subprocess.run([str(HERE / "build")], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class SqlError(Exception):
    """What the server or the client said."""


class DoltServer:
    """On a Unix socket and a loopback port, with everything in `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        self.port = free_port()
        self.process = None
        self.program = find_dolt()
        self.data.mkdir(parents=True)
        self.env = {**os.environ, "HOME": str(self.folder), "DOLT_ROOT_PATH": str(self.folder),
                    "DOLT_DISABLE_EVENT_FLUSH": "1", "TMPDIR": str(self.folder)}
        (self.folder / "config.yaml").write_text(
            f"log_level: warning\nlistener: {{host: 127.0.0.1, port: {self.port}, "
            f"socket: {self.socket}}}\ndata_dir: {self.data}\n")
        # Before any other call, or it starts a sender of metrics.
        for name, value in (("metrics.disabled", "true"), ("user.name", "Test"),
                            ("user.email", "t@example.org")):
            subprocess.run([self.program, "config", "--global", "--add", name, value],
                           env=self.env, check=True, stdout=subprocess.DEVNULL)
        try:
            self.start()
        except BaseException:  # also when the program is asked to end meanwhile
            if self.process is not None:
                self.end()
            raise

    def start(self, limit_s=120):
        """Returns when it answers. A server that is still ending holds its lock: tried again."""
        until = time.monotonic() + limit_s
        while True:
            if self.process is None or self.process.poll() is not None:
                self.socket.unlink(missing_ok=True)  # a killed one's: Dolt does not take it over
                with open(self.folder / "log", "ab") as log:
                    self.process = subprocess.Popen(
                        [self.program, "sql-server", "--config", str(self.folder / "config.yaml")],
                        env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                self.sql("SELECT 1")
                return
            except SqlError:
                if time.monotonic() > until:
                    sys.exit("Dolt does not start:\n" + (self.folder / "log").read_text()[-2000:])
                time.sleep(0.05)

    def end(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()

    def sql(self, statements, database=None):
        """Runs them and gives the rows, each a list of texts; they go to the client's stdin."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-S", str(self.socket), "-uroot", "-N", "-B",
             "--default-character-set=utf8mb4"] + ([database] if database else []),
            input=statements, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise SqlError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]
