"""Dolt and MariaDB servers of one's own for programs that measure or torture: start, kill, SQL.

Knows nothing of Lockstep. LOCKSTEP_DOLT names Dolt's program, else tests/tools/dolt/build makes it.
A server ends when the program ends that started it; call `end_well()` for that to hold where the
program is asked to end from outside.
"""
import atexit
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def end_well():
    """SIGTERM and SIGHUP leave the program as sys.exit() does: with all its blocks unwound."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def find_dolt():
    if os.environ.get("LOCKSTEP_DOLT"):
        return os.environ["LOCKSTEP_DOLT"]
    done = subprocess.run([str(HERE / "dolt/build")], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class SqlError(Exception):
    """What the server or the client said."""


class SqlServer:
    """On a Unix socket and a loopback port, with everything in `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        self.port = free_port()
        self.process = None
        self.env = dict(os.environ)
        self.folder.mkdir(parents=True)
        atexit.register(self.end)

    def start(self, limit_s=120):
        """Returns when it answers. A server that is still ending holds its lock: tried again."""
        until = time.monotonic() + limit_s
        while True:
            if self.process is None or self.process.poll() is not None:
                self.socket.unlink(missing_ok=True)  # a killed one's: Dolt does not take it over
                with open(self.folder / "log", "ab") as log:
                    self.process = subprocess.Popen(self.argv(), env=self.env, stdout=log,
                                                    stdin=subprocess.DEVNULL, stderr=log)
            try:
                self.sql("SELECT 1")
                return
            except SqlError:
                if time.monotonic() > until:
                    sys.exit("the server does not start:\n" +
                             (self.folder / "log").read_text()[-2000:])
                time.sleep(0.05)

    def end(self, number=signal.SIGKILL):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()

    def sql(self, statements, database=None):
        """Runs them and gives the rows, each a list of texts; they go to the client's stdin."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-S", str(self.socket), "-uroot", "-N", "-B",
             "--default-character-set=utf8mb4", "--max-allowed-packet=1G"] +
            ([database] if database else []),
            input=statements, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise SqlError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]


class DoltServer(SqlServer):
    def __init__(self, folder):
        super().__init__(folder)
        self.program = find_dolt()
        self.data.mkdir()
        self.env.update({"HOME": str(self.folder), "DOLT_ROOT_PATH": str(self.folder),
                         "DOLT_DISABLE_EVENT_FLUSH": "1", "TMPDIR": str(self.folder)})
        (self.folder / "config.yaml").write_text(
            f"log_level: warning\nlistener: {{host: 127.0.0.1, port: {self.port}, "
            f"socket: {self.socket}}}\ndata_dir: {self.data}\n")
        # Before any other call, or it starts a sender of metrics.
        for name, value in (("metrics.disabled", "true"), ("user.name", "Test"),
                            ("user.email", "t@example.org")):
            subprocess.run([self.program, "config", "--global", "--add", name, value],
                           env=self.env, check=True, stdout=subprocess.DEVNULL)
        self.start()

    def argv(self):
        return [self.program, "sql-server", "--config", str(self.folder / "config.yaml")]


class MariadbServer(SqlServer):
    """root has no password, by socket and by port."""

    def __init__(self, folder, options=()):
        super().__init__(folder)
        # Servers that share the folder for temporary files remove each other's when they start.
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.options = list(options)
        with open(self.folder / "log", "ab") as log:
            subprocess.run(["mariadb-install-db", "--no-defaults", "--skip-test-db",
                            "--auth-root-authentication-method=normal", f"--datadir={self.data}",
                            f"--tmpdir={self.temporary}"],
                           check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.start()

    def argv(self):
        return ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                f"--tmpdir={self.temporary}",
                "--bind-address=127.0.0.1", f"--port={self.port}", "--innodb-buffer-pool-size=32M",
                *(["--user=root"] if os.geteuid() == 0 else []), *self.options]
