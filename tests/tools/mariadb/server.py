"""A MariaDB server of one's own for programs that measure: start, stop, SQL.

Knows nothing of Lockstep. mariadbd and mariadb-install-db are found on the PATH.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time


class MariadbServer:
    """On a Unix socket and a loopback port, with everything in `folder`."""

    def __init__(self, folder, options=()):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.options = list(options)
        self.process = None
        self.folder.mkdir(parents=True)
        try:
            self.set_up()
            self.start()
        except BaseException:  # also when the program is asked to end meanwhile
            self.end()
            raise

    def set_up(self):
        """The tables of the server itself; a shell script starts the server for it."""
        with open(self.folder / "install.log", "wb") as log:
            self.process = subprocess.Popen(
                ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
                 "--skip-test-db", f"--datadir={self.data}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if self.process.wait():
            log = (self.folder / "install.log").read_text()
            sys.exit("MariaDB can't be set up:\n" + log[-2000:])
        self.process = None

    def start(self, limit_s=60):
        argv = ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                "--bind-address=127.0.0.1", f"--port={self.port}", *self.options]
        if os.geteuid() == 0:
            argv.append("--user=root")
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        until = time.monotonic() + limit_s
        while True:
            try:
                self.sql("SELECT 1")
                return
            except RuntimeError:
                if self.process.poll() is not None or time.monotonic() > until:
                    log = (self.folder / "log").read_text()
                    sys.exit("MariaDB does not start:\n" + log[-2000:])
                time.sleep(0.05)

    def end(self, number=signal.SIGKILL):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)  # a session of its own
            self.process.wait()

    def sql(self, statements, database=None):
        """Runs them and gives the rows, each a list of texts; they go to the client's stdin."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", "-S", str(self.socket), "-uroot", "-N", "-B",
             "--default-character-set=utf8mb4"] + ([database] if database else []),
            input=statements, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]
