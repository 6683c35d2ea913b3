"""What the kills are done to: two git repositories, steps that tell when they ran, and what must be
there in the end. Knows nothing of processes.

Each round changes clients at most once, and the next begins when the models of the last are there:
so every model's versions are known beforehand, however often somebody was killed.
"""
import collections
import hashlib
import os
import subprocess

CLIENTS = [f"client-{n}" for n in range(1, 6)]
ROWS = 4
LARGE = "client-1"  # its model is too large to be taken over through memory
CHECK = "build"

WORKFLOW = """name: intents
on: {data: {}, ci: [build]}
steps:
  train:
    strategy: {matrix: {client: {table: utterances, column: client}}}
    inputs:
      rows: {table: utterances, columns: [text, intent], where: {client: "${{ matrix.client }}"}}
      typed:
        table: utterances
        columns: [text, intent]
        where: {client: "${{ matrix.client }}"}
        format: arrow
      held:
        table: utterances
        columns: [text, intent]
        where: {client: "${{ matrix.client }}"}
        holdout: {fraction: 0.9, key: [id]}
      code: {paths: ["train/**"]}
    run: sh train/train.sh
    outputs: {model: model.txt, metrics: metrics.json}
    registers: intent-${{ matrix.client }}
    gate: {champion: {}}
    evaluate: {run: python3 -IS train/answer.py, rows: held}
  report:
    strategy: {matrix: {client: {table: utterances, column: client}}}
    inputs:
      intents: {model: "intent-${{ matrix.client }}"}
      code: {paths: ["report/**"]}
    run: python3 -IS report/report.py
    outputs: {model: report.txt}
    registers: report-${{ matrix.client }}
releases:
  production: {models: ["intent-*", "report-*"], image: {name: intents}}
"""

# A line when it begins, one when it ends; a moment in between in which somebody may be killed.
TRAIN = """set -eu
mark() { echo "$1 $LOCKSTEP_STEP $key $$ $(date +%s%N)" >>MARKS; }
key=$(cat train/version "$LOCKSTEP_INPUT_ROWS" | sha256sum | cut -c1-16)
mark began
sleep 0.05
test -d "$LOCKSTEP_INPUT_TYPED"
model=$LOCKSTEP_OUTPUT/model.txt
cat train/version "$LOCKSTEP_INPUT_ROWS" >"$model"
if grep -q large "$LOCKSTEP_INPUT_ROWS"; then head -c 4300000 /dev/zero >>"$model"; fi
echo '{"accuracy": 0.9}' >"$LOCKSTEP_OUTPUT/metrics.json"
echo "trained on $key"
mark ended
"""

# With every fourth set of rows one is answered wrongly: after a model that does not it is worse,
# perhaps by chance, and somebody has to approve it. Other code changes nothing of that, or the
# report would be made twice: by the other code, and of the approved model.
ANSWER = """import csv, hashlib, os
model = open(os.environ["LOCKSTEP_INPUT_MODEL"], "rb").read()
weak = hashlib.sha256(model.split(b"\\n", 1)[1]).digest()[0] < 64
rows = list(csv.DictReader(open(os.environ["LOCKSTEP_INPUT_HELD_HOLDOUT"])))
with open(os.environ["LOCKSTEP_OUTPUT"] + "/predictions.csv", "w") as file:
    out = csv.writer(file, lineterminator="\\n")
    out.writerow(["key", "expected", "predicted"])
    for number, row in enumerate(rows):
        said = "nothing" if weak and number == 0 else row["intent"]
        out.writerow([row["id"], row["intent"], said])
"""

REPORT = """import hashlib, os, time
bytes_of = open(os.environ["LOCKSTEP_INPUT_INTENTS"], "rb").read()
key = hashlib.sha256(bytes_of).hexdigest()
def mark(word):
    with open("MARKS", "a") as out:
        step = os.environ["LOCKSTEP_STEP"]
        out.write(f"{word} {step} {key[:16]} {os.getpid()} {time.time_ns()}\\n")
mark("began")
with open(os.path.join(os.environ["LOCKSTEP_OUTPUT"], "report.txt"), "w") as out:
    out.write(key + "\\n")
mark("ended")
"""


class Scene:
    def __init__(self, folder):
        self.folder, self.marks = folder, folder / "marks"
        self.code_version, self.commits = 1, 0
        # Of no two clients the same: what has the same inputs runs once for all.
        more = {LARGE: " large"}
        self.rows = {client: [(n, f"{client} says {n}{more.get(client, '')}", "first")
                              for n in range(ROWS)] for client in CLIENTS}
        self.versions = dict.fromkeys(CLIENTS, 1)
        self.wanted = collections.Counter()  # (step, key) → how often it has to run: once

    def make(self, port):
        """Writes repositories and workspace."""
        for name in ("tables/utterances", "code/train", "code/report", "code/workflows"):
            (self.folder / name).mkdir(parents=True)
        tables, code = self.folder / "tables", self.folder / "code"
        (tables / "utterances.schema.yaml").write_text(
            "columns: {id: int, client: text, text: text, intent: text}\nkey: [id]\n"
            "partition: client\n")
        (code / "workflows/intents.yaml").write_text(WORKFLOW)
        (code / "train/train.sh").write_text(TRAIN.replace("MARKS", str(self.marks)))
        (code / "train/answer.py").write_text(ANSWER)
        (code / "report/report.py").write_text(REPORT.replace("MARKS", str(self.marks)))
        self.marks.touch()
        for client in CLIENTS:
            self.write_rows(client)
        self.write_version()
        for repository in (tables, code):
            self.git(repository, "init", "-q", "--initial-branch=main")
            self.commit(repository)
        (self.folder / "lockstep.yaml").write_text(
            "sources:\n"
            f"  tables: {{kind: git-tables, place: \"file://{tables}\"}}\n"
            f"  code: {{kind: git-repo, place: {code}}}\n"
            "pools:\n  local: {slots: 3}\n"
            f"listeners:\n  - {{address: \"127.0.0.1:{port}\"}}\n"
            "signing: {key: file:signing.pem}\n"
            "hooks:\n"
            "  rows: {forge: generic, source: tables, secrets: env:HOOK_SECRET}\n"
            "  checks: {forge: generic, source: code, secrets: env:HOOK_SECRET}\n"
            "policies: {keep-releases: 2}\n")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out",
                        self.folder / "signing.pem"], check=True, capture_output=True)
        (self.folder / "signing.pem").chmod(0o600)
        self.want(CLIENTS)

    def change_rows(self, client, serial):
        """Commits other rows of one client."""
        at = serial % ROWS
        number, text, _ = self.rows[client][at]
        self.rows[client][at] = (number, text, f"intent-{serial}")
        self.write_rows(client)
        self.versions[client] += 1
        self.want([client])
        return self.commit(self.folder / "tables")

    def change_code(self):
        """Commits code that all steps depend on."""
        self.code_version += 1
        self.write_version()
        for client in CLIENTS:
            self.versions[client] += 1
        self.want(CLIENTS)
        return self.commit(self.folder / "code")

    def models(self):
        """name → (version, sha256) of all champions, as they must be now."""
        out = {}
        for client in CLIENTS:
            model = self.model_bytes(client)
            sha = hashlib.sha256(model).hexdigest()
            out[f"intent-{client}"] = (self.versions[client], sha)
            report = hashlib.sha256((sha + "\n").encode()).hexdigest()
            out[f"report-{client}"] = (self.versions[client], report)
        return out

    def ran(self):
        """(step, key) → [(pid, began, ended or None)], in the order of their beginnings."""
        found, runs = collections.defaultdict(list), {}
        for line in self.marks.read_text().splitlines():
            word, step, key, pid, at = line.split()
            run = runs.get((step, key, pid))
            if word == "began":
                run = runs[step, key, pid] = [pid, int(at), None]
                found[step, key].append(run)
            elif run:
                run[2] = int(at)
        return found

    def want(self, clients):
        for client in clients:
            model = self.model_bytes(client, padded=False)
            self.wanted[f"train[client={client}]", hashlib.sha256(model).hexdigest()[:16]] = 1
            sha = hashlib.sha256(self.model_bytes(client)).hexdigest()
            self.wanted[f"report[client={client}]", sha[:16]] = 1

    def model_bytes(self, client, padded=True):
        text = "text,intent\n" + "".join(f"{text},{intent}\n" for _, text, intent in
                                         self.rows[client])
        large = padded and client == LARGE
        return f"{self.code_version}\n{text}".encode() + bytes(4_300_000 if large else 0)

    def write_rows(self, client):
        folder = self.folder / f"tables/utterances/client={client}"
        folder.mkdir(exist_ok=True)
        first = CLIENTS.index(client) * 1000
        lines = [f"{first + number},{text},{intent}\n" for number, text, intent in
                 self.rows[client]]
        (folder / "part.csv").write_text("id,text,intent\n" + "".join(lines))

    def write_version(self):
        for name in ("train", "report"):
            (self.folder / f"code/{name}/version").write_text(f"{self.code_version}\n")

    def commit(self, repository):
        self.commits += 1
        self.git(repository, "add", "-A")
        self.git(repository, "commit", "-qm", f"commit {self.commits}")
        return self.git(repository, "rev-parse", "HEAD").strip()

    def git(self, repository, *arguments):
        when = f"{1_700_000_000 + self.commits} +0000"
        env = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when,
               "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "t@example.org",
               "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "t@example.org"}
        return subprocess.run(["git", "-C", repository, *arguments], env=env, check=True,
                              capture_output=True, text=True).stdout
