"""What the benchmarks share: programs, an environment of its own, the machine, tables of rounds.

Knows nothing of what is measured.
"""
import contextlib
import datetime
import fcntl
import hashlib
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("LOCKSTEP_BIN", ROOT / "build/bin"))


def environment(folder):
    """No settings of the person who measures reach git or lockstep."""
    env = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    env.update({
        "PATH": f"{BIN}:{env.get('PATH', '/usr/bin:/bin')}", "HOME": str(home),
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1",
        "GIT_AUTHOR_NAME": "Bench", "GIT_AUTHOR_EMAIL": "bench@example.org",
        "GIT_COMMITTER_NAME": "Bench", "GIT_COMMITTER_EMAIL": "bench@example.org"})
    return env


class Bench:
    """A work folder with programs to call in it; it disappears unless it was asked for."""

    def __init__(self, keep=None):
        for program in ("lockstep", "lockstep-runner"):
            if not (BIN / program).exists():
                sys.exit(f"{BIN / program} is missing: build first, or set LOCKSTEP_BIN")
        self.kept = keep is not None
        self.folder = pathlib.Path(keep or tempfile.mkdtemp(prefix="lockstep-bench-")).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.kept and any(self.folder.iterdir()):
            sys.exit(f"{self.folder} is not empty")
        self.env = environment(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop_runners(self.folder)
        if not self.kept:
            subprocess.run(["chmod", "-R", "u+w", str(self.folder)], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *argv, cwd=None, good=(0,), env=None):
        """Runs a program to its end and gives its stdout; ends the benchmark when it fails."""
        done = subprocess.run([str(a) for a in argv], cwd=cwd or self.folder, text=True,
                              env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode not in good:
            sys.exit(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n"
                     f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def timed(self, *argv, **kw):
        begin = time.monotonic()
        out = self.call(*argv, **kw)
        return time.monotonic() - begin, out

    def repository(self, path, files):
        """A git repository with one commit; files: path → text."""
        write_files(path, files)
        self.call("git", "init", "-q", "--initial-branch=main", path)
        self.commit(path, "Begin")

    def commit(self, path, message):
        self.call("git", "-C", path, "add", "-A")
        self.call("git", "-C", path, "commit", "-qm", message)

    def workspace(self, name, tables, workflows, slots):
        """A workspace with a table repository and a code repository."""
        folder = self.folder / name
        self.repository(folder / "tables", tables)
        self.repository(folder / "code", workflows)
        write_files(folder, {"lockstep.yaml": (
            "sources:\n  tables: {kind: git-tables, place: ./tables}\n"
            f"  code: {{kind: git-repo, place: ./code}}\npools:\n  local: {{slots: {slots}}}\n")})
        return folder

    @contextlib.contextmanager
    def serving(self, folder):
        """`lockstep serve` in the background until the end of the block."""
        with open(folder / "serve.log", "w") as log:
            daemon = subprocess.Popen([str(BIN / "lockstep"), "serve"], cwd=folder, env=self.env,
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(lambda: (folder / ".lockstep/socket").exists() or daemon.poll() is not None)
            if daemon.poll() is not None:
                sys.exit("serve ended:\n" + (folder / "serve.log").read_text())
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait()

    def peer(self, *packages):
        """A folder with the programs of these Python packages, or None with a word why."""
        place = self.folder / "venv"
        venv.create(place, with_pip=True, clear=False)
        done = subprocess.run([str(place / "bin/pip"), "install", "-q", *packages], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 0:
            return place / "bin"
        print(f"  {' '.join(packages)} can't be installed: {done.stdout.strip()[-200:]}")
        return None


def python_with(name):
    """A Python with what NAME_requirements.txt lists, fetched once, or None with a word why."""
    listed = pathlib.Path(__file__).resolve().parent / f"{name}_requirements.txt"
    cache = pathlib.Path(os.environ.get("LOCKSTEP_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lockstep")
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"python-{name}-{hashlib.sha256(listed.read_bytes()).hexdigest()[:16]}"
    with open(cache / f"python-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            venv.create(place, with_pip=True, clear=True)
            done = subprocess.run([str(place / "bin/pip"), "install", "-q", "-r", str(listed)],
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                print(f"  the packages of {listed.name} can't be had: {done.stdout.strip()[-200:]}")
                return None
            (place / "complete").touch()
    return place / "bin/python"


def stop_runners(folder):
    """Runners of the workspaces below `folder`: each names itself in its lock."""
    for lock in folder.glob("*/.lockstep/runner/lock"):
        pid = lock.read_text().strip()
        name = pathlib.Path(f"/proc/{pid}/comm")
        if pid.isdigit() and name.exists() and name.read_text().startswith("lockstep-runne"):
            os.kill(int(pid), 15)
            wait_for(lambda: not name.exists(), limit_s=10, fails=False)


def write_files(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def wait_for(condition, limit_s=120, pause_s=0.0005, fails=True):
    until = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until:
            if fails:
                sys.exit(f"waited {limit_s} s in vain")
            return
        time.sleep(pause_s)


def version(*argv):
    try:
        out = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL, check=True).stdout
        return out.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "missing"


def describe(title, **facts):
    """Which machine, when, which versions: every result stands under these lines."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo")
                  if line.startswith("MemTotal"))
    now = datetime.datetime.now(datetime.timezone.utc)
    print(f"\n== {title}")
    print(f"date      {now:%Y-%m-%d %H:%M} UTC")
    print(f"machine   {os.cpu_count()} cores, {model}, {memory / 2**20:.0f} GiB, "
          f"Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start")
    print(f"versions  {version(BIN / 'lockstep', '--version')}; ninja "
          f"{version('ninja', '--version')}; {version('git', '--version')}; "
          f"Python {platform.python_version()}")
    for name, value in facts.items():
        print(f"{name:9} {value}")


def table(caption, unit, rounds, ours="ours", peer="peer", ratio=None, digits=1):
    """All rounds with ours, the peer's and the ratio; rounds: [{column: value}]."""
    ratio = ratio or (lambda row: row[ours] / row[peer])
    columns = list(rounds[0])
    print(f"\n{caption} ({unit})")
    print("  round " + "".join(f"{name:>16}" for name in columns) + f"  {ours + ' / ' + peer:>26}")
    for number, row in enumerate(rounds, 1):
        show_row(str(number), [row[name] for name in columns], ratio(row), digits)
    middle = {name: statistics.median(row[name] for row in rounds) for name in columns}
    show_row("median", [middle[name] for name in columns],
             statistics.median(ratio(row) for row in rounds), digits)


def show_row(label, values, ratio, digits):
    cells = "".join(f"{value:16.{digits}f}" for value in values)
    print(f"  {label:6}{cells}  {ratio:26.2f}", flush=True)


def common_arguments(parser, rounds):
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--keep", metavar="DIR", help="work in DIR and leave it there")
    parser.add_argument("--slots", type=int, default=os.cpu_count(),
                        help="attempts at once, and ninja's -j (default: the cores)")
    parser.add_argument("--peers", choices=("ninja", "all"), default="ninja",
                        help="all: also Snakemake and DVC, from the Python package index")
