"""Where stores are tortured: a server with a proxy before it, a workspace and `lockstep serve`.

Knows how rows are written, and what each store should hold at a commit; nothing of events.
"""
import hashlib
import json
import os
import pathlib
import signal
import subprocess

from proxy import Proxy
from sql_servers import DoltServer, MariadbServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LOCKSTEP_BIN", ROOT / "build/bin")).resolve()
CLIENTS = range(1, 9)
ROWS = 40
STEP = """  train-%(table)s:
    strategy: {matrix: {client: {table: %(table)s, column: client}}}
    inputs:
      rows: {table: %(table)s, columns: [text, intent], where: {client: "${{ matrix.client }}"}}
    env: {CLIENT: "${{ matrix.client }}", RAN: "%(ran)s"}
    run: |
      set -eu
      cp "$LOCKSTEP_INPUT_ROWS" "$LOCKSTEP_OUTPUT/model.csv"
      echo "$CLIENT $(sha256sum <"$LOCKSTEP_OUTPUT/model.csv" | cut -c1-64)" >>"$RAN"
    outputs: {model: model.csv}
    registers: %(table)s-${{ matrix.client }}
"""


def first_rows():
    """{client: {id: (text, intent)}}"""
    return {c: {c * 1000 + r: (f"say {r}", f"intent {r % 3}") for r in range(ROWS)}
            for c in CLIENTS}


def apply(rows, changes):
    """A commit's changes, each [client, "put" or "set", id, serial], done to such rows."""
    for client, what, first, serial in changes:
        if what == "put":
            rows[client][first] = (f"new {serial}", "added")
            continue
        for number in range(first, first + 12):
            if number in rows[client]:
                rows[client][number] = (rows[client][number][0], f"said {serial}")


def digest(rows):
    """SHA-256 of the file that a step gets of these (text, intent)."""
    text = "text,intent\n" + "".join(f"{a},{b}\n" for a, b in rows)
    return hashlib.sha256(text.encode()).hexdigest()


class Place:
    """What both stores share. A store says which tables there are and which client is in which."""

    tables = ["utterances"]

    def __init__(self, folder):
        self.folder = folder
        self.env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1",
                    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        self.daemon = None
        folder.mkdir(parents=True, exist_ok=True)
        self.server = self.make_server()
        self.proxy = Proxy(self.server.port)
        self.ran = folder / "ran"
        self.ran.touch()

    def begin(self):
        """Rows, code, workspace, `serve`. After this, or a part of it, stop() is due."""
        self.load()
        self.code(self.folder / "code")
        (self.folder / "lockstep.yaml").write_text(
            f"sources:\n  tables: {{{self.source()}}}\n  code: {{kind: git-repo, place: code}}\n"
            "pools:\n  local: {slots: 4}\n")
        with open(self.folder / "serve.log", "wb") as log:
            self.daemon = subprocess.Popen([BIN / "lockstep", "serve"], cwd=self.folder,
                                           env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log)

    def table(self, client):
        return self.tables[client % len(self.tables)]

    def model(self, client):
        return f"{self.table(client)}-client-{client}"

    def load(self):
        self.server.sql("CREATE DATABASE shop")
        statements = [f"CREATE TABLE {table} (id INT PRIMARY KEY, client VARCHAR(64), text TEXT, "
                      f"intent TEXT{self.columns(table)}, KEY (client)){self.words(table)}"
                      for table in self.tables]
        for client, rows in first_rows().items():
            values = ",".join(f"({number}, 'client-{client}', '{text}', '{intent}')"
                              for number, (text, intent) in rows.items())
            statements.append(f"INSERT INTO {self.table(client)} (id, client, text, intent) "
                              f"VALUES {values}")
        self.write(statements, "all rows")

    def columns(self, _):
        return ""

    def words(self, _):
        return ""

    def statement(self, change):
        client, what, first, serial = change
        if what == "put":
            return (f"REPLACE INTO {self.table(client)} (id, client, text, intent) VALUES "
                    f"({first}, 'client-{client}', 'new {serial}', 'added')")
        return (f"UPDATE {self.table(client)} SET intent = 'said {serial}' WHERE client = "
                f"'client-{client}' AND id BETWEEN {first} AND {first + 11}")

    def commit(self, changes, message):
        """Once more does no harm. Throws SqlError: it may be done, or not."""
        self.write([self.statement(change) for change in changes], message)

    def code(self, code):
        (code / "workflows").mkdir(parents=True)
        steps = "".join(STEP % {"table": table, "ran": self.ran} for table in self.tables)
        (code / "workflows/intents.yaml").write_text(
            f"name: intents\nsteps:\n{steps}releases:\n"
            "  production: {models: [\"*-client-*\"], image: {name: intents}}\n")
        git = ["git", "-C", str(code), "-c", "user.name=T", "-c", "user.email=t@example.org"]
        for words in (["init", "-q", "--initial-branch=main"], ["add", "-A"],
                      ["commit", "-qm", "first"]):
            subprocess.run(git + words, env=self.env, check=True)

    def ask(self, *words):
        """What `lockstep --json` answers, or None where it can't."""
        done = subprocess.run([str(BIN / "lockstep"), "--json", *words], cwd=self.folder,
                              env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def end_serve(self):
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait()

    def stop(self):
        self.server.process.send_signal(signal.SIGCONT)
        self.end_serve()
        self.server.end()
        lock = self.folder / ".lockstep/runner/lock"
        pid = lock.read_text().strip() if lock.exists() else ""
        name = pathlib.Path(f"/proc/{pid}/comm")
        if pid.isdigit() and name.exists() and name.read_text().startswith("lockstep-runne"):
            os.kill(int(pid), signal.SIGTERM)

    def digest_now(self, client):
        return digest(self.server.sql(f"SELECT text, intent FROM {self.table(client)} WHERE "
                                      f"client = 'client-{client}' ORDER BY id", "shop"))


class DoltPlace(Place):
    """Half of the places have changes signalled by the server's folder, the others ask."""

    def __init__(self, folder, chance):
        self.signalled = chance < 0.5
        super().__init__(folder)

    def make_server(self):
        return DoltServer(self.folder / "server")

    def shown(self):
        return "Dolt, " + ("signals of the folder" if self.signalled else "asked twice a second")

    def source(self):
        where = f", data-folder: {self.server.data}" if self.signalled else ""
        return f"kind: dolt, place: \"mysql://127.0.0.1:{self.proxy.port}/shop\"{where}"

    def write(self, statements, message):
        self.server.sql("; ".join(statements) +
                        f"; CALL dolt_commit('-Am', '{message}', '--skip-empty')", "shop")

    def head(self):
        return self.server.sql("SELECT dolt_hashof('main')", "shop")[0][0]

    def strange_versions(self, versions, _):
        """versions: [(client, name, commit, sha256)]. What should not be, in words."""
        branch = {row[0] for row in self.server.sql("SELECT commit_hash FROM dolt_log", "shop")}
        for client, name, commit, sha256 in versions:
            if commit not in branch:
                yield f"{name}: its data commit {commit} is not on the branch"
            elif sha256 != self.digest_at(client, commit):
                yield f"{name}: its bytes are not those of the rows at {commit}"

    def digest_at(self, client, commit):
        return digest(self.server.sql(f"SELECT text, intent FROM utterances AS OF '{commit}' WHERE "
                                      f"client = 'client-{client}' ORDER BY id", "shop"))


class MysqlPlace(Place):
    """A table for each way in which changes are found; a commit's rows lie in several of them."""

    tables = ["scanned", "versioned", "stamped"]

    def __init__(self, folder, _):
        super().__init__(folder)

    def make_server(self):
        return MariadbServer(self.folder / "server")

    def shown(self):
        return "MariaDB, looked at twice a second: scan, versioned, column"

    def columns(self, table):
        stamp = ", seen DATETIME(6) DEFAULT NOW(6) ON UPDATE NOW(6), KEY (seen)"
        return stamp if table == "stamped" else ""

    def words(self, table):
        return " WITH SYSTEM VERSIONING" if table == "versioned" else ""

    def source(self):
        return (f"kind: mysql, place: \"mysql://127.0.0.1:{self.proxy.port}/shop\", every: 500ms, "
                "tables: {scanned: {changes: scan}, versioned: {changes: versioned}, "
                "stamped: {changes: column, column: seen}}")

    def write(self, statements, _):
        ddl = [s for s in statements if s.startswith("CREATE")]
        rows = [s for s in statements if not s.startswith("CREATE")]
        self.server.sql("; ".join([*ddl, "START TRANSACTION", *rows, "COMMIT"]), "shop")

    def head(self):
        return (self.folder / ".lockstep/tables/tables/head").read_text().strip()

    def line(self):
        """The commits that looks made, oldest first."""
        found, commit = [], self.head()
        while commit:
            found.append(commit)
            name = next((self.folder / ".lockstep/tables/tables/sha256").rglob(commit))
            commit = json.loads(name.read_bytes())["parent"]
        return found[::-1]

    def strange_versions(self, versions, commits):
        """A commit is one moment: what writers had done by then, of all tables, and no later than
        the moment of the next. commits: the changes of each write, in order."""
        rows, moments = first_rows(), []
        for changes in [[], *commits]:
            apply(rows, changes)
            moments.append({c: digest(v for _, v in sorted(rows[c].items())) for c in CLIENTS}
                           if not moments else
                           {**moments[-1], **{c: digest(v for _, v in sorted(rows[c].items()))
                                              for c in {change[0] for change in changes}}})
        line, at = self.line(), 0
        for client, name, commit, _ in versions:
            if commit not in line:
                yield f"{name}: its data commit {commit} is not on the line of looks"
        for commit in line:
            here = [(c, name, sha) for c, name, where, sha in versions if where == commit]
            fits = (n for n in range(at, len(moments))
                    if all(moments[n][c] == sha for c, _, sha in here))
            found = next(fits, None)
            if found is None:
                names = ", ".join(name for _, name, _ in here)
                yield f"{names}: their bytes are not those of the rows at one moment, {commit}"
            else:
                at = found


PLACES = {"dolt": DoltPlace, "mysql": MysqlPlace}
