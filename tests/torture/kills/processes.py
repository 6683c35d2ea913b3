"""The real daemon and the real runner of one workspace, killed at labels and at random, and started
again with the next label. Knows nothing of what they do.
"""
import collections
import os
import pathlib
import signal
import subprocess
import time

from door import SECRET

LABELS = [line.split() for line in
          (pathlib.Path(__file__).parent / "labels").read_text().splitlines()
          if not line.startswith("#")]
PATIENT_ROUNDS = 2  # a label that nobody has passed by then gives way to the next


class Undisturbed:
    """A daemon that nobody kills."""

    def __init__(self, folder, programs):
        self.folder, self.programs = folder, programs
        self.daemon = None

    def start(self):
        self.daemon = self.spawn("daemon.log", [self.programs / "lockstep", "serve"], {})

    def spawn(self, log, argv, more):
        env = {**os.environ, "HOOK_SECRET": SECRET, **more}
        with open(self.folder / log, "a") as out:
            return subprocess.Popen(argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=out, env=env)

    def tend(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f"serve ended with {self.daemon.returncode}")

    def round_over(self):
        pass

    def runner_pid(self):
        """Of the runner that has the folder; 0: none."""
        state = self.folder / ".lockstep/runner"
        try:
            pid = int((state / "lock").read_text())
            argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return 0
        return pid if str(state).encode() in argv.split(b"\0") else 0

    def stop(self):
        """The daemon's exit code; the runner goes, too."""
        self.daemon.terminate()
        code = self.daemon.wait(60)
        self.end_runner(signal.SIGTERM)
        return code

    def end_runner(self, how):
        if pid := self.runner_pid():
            os.kill(pid, how)
            while pathlib.Path(f"/proc/{pid}").exists() and self.runner_pid() == pid:
                time.sleep(0.002)


class Killed(Undisturbed):
    """Armed with a label, or to be killed at a moment; one after the other. `tend` takes notice."""

    def __init__(self, folder, programs, chance, only=None):
        super().__init__(folder, programs)
        self.chance, self.only = chance, only
        self.marker = None  # the file that the killed one leaves; another for each label
        self.queue = collections.deque()
        self.passed = collections.Counter()   # label → kills there
        self.unreached = collections.Counter()
        self.random = collections.Counter()   # process → kills at a random moment
        self.label, self.process, self.at, self.age = None, None, None, 0
        self.armed_runner, self.armed, self.counted = None, 0, False

    def kills(self):
        return sum(self.passed.values()) + sum(self.random.values())

    def start(self):
        # One that is still armed with the last label would go on with it.
        if self.armed_runner and self.armed_runner.poll() is None:
            self.armed_runner.kill()
        self.reap()
        self.arm()
        more = {"LOCKSTEP_KILL_AT": self.label, "LOCKSTEP_KILLED": str(self.marker)}
        if self.process in ("runner", "shim"):
            self.end_runner(signal.SIGKILL)
            self.armed_runner = self.spawn("runner.log", [
                self.programs / "lockstep-runner", "--state", self.folder / ".lockstep/runner",
                "--idle-exit", "600"], more)
        self.daemon = self.spawn("daemon.log", [self.programs / "lockstep", "serve"],
                                 more if self.process == "daemon" else {})

    def arm(self):
        if self.marker and self.marker.exists() and not self.counted:
            self.count()  # just before it was given up
        self.counted, self.armed = False, self.armed + 1
        self.marker = self.folder / f"killed-{self.armed}"
        self.age, self.at = 0, None
        if not self.queue:
            self.refill()
        name, self.process = self.queue.popleft()
        if self.process == "random":
            self.label = ""
            self.at = time.monotonic() + self.chance.uniform(0.02, 0.5)
        else:
            self.label = f"{name}:{self.chance.choice([1, 1, 1, 2, 3, 7])}"
            if self.unreached[name]:
                self.label = name

    def refill(self):
        """Every label once, and every fifth time a random moment; of none, only that."""
        labels = [(name, process) for name, process in LABELS
                  if not self.only or name.startswith(self.only)]
        self.chance.shuffle(labels)
        for number, label in enumerate(labels):
            self.queue.append(label)
            if number % 5 == 4:
                self.queue.append(("", "random"))
        if not labels:
            self.queue.append(("", "random"))

    def tend(self):
        """Kills who is due, and starts again who is gone."""
        now = time.monotonic()
        if self.at and now >= self.at:
            self.at = None
            if self.process == "random" and self.chance.random() < 0.3 and self.runner_pid():
                self.random["runner"] += 1
                self.tell("the runner is killed")
                self.end_runner(signal.SIGKILL)
                self.at = now + self.chance.uniform(0.02, 0.3)  # then the daemon
                return
            self.random["daemon"] += 1
            self.tell("the daemon is killed")
            self.daemon.kill()
            self.daemon.wait()
            self.start()
        elif (code := self.daemon.poll()) is not None:
            if code != -signal.SIGKILL or not self.marker.exists():
                raise AssertionError(f"serve ended with {code}, armed with {self.label}")
            if not self.counted:
                self.count()
            self.start()
        elif self.at is None and not self.counted and self.marker.exists():
            self.count()
            self.at = now + self.chance.uniform(0, 0.2)  # and the daemon, so that it is armed anew

    def tell(self, text):
        """In the daemon's log: what was done between its lines."""
        with open(self.folder / "daemon.log", "a") as out:
            out.write(f"{time.time():.3f} ---- {text}\n")

    def count(self):
        name, self.counted = self.label.split(":")[0], True
        self.passed[name] += 1
        self.tell(f"killed at {self.label}")
        self.unreached.pop(name, None)

    def round_over(self):
        """Nobody has passed the label for some rounds: the next."""
        self.age += 1
        if self.age > PATIENT_ROUNDS and self.at is None:
            name = self.label.split(":")[0]
            if not self.marker.exists():
                self.unreached[name] += 1
                if self.unreached[name] < 3:
                    self.queue.append((name, self.process))
            self.at = time.monotonic() + self.chance.uniform(0, 0.2)

    def calm(self):
        """From here on nobody is killed."""
        self.at = None
        self.daemon.kill()
        self.daemon.wait()
        self.end_runner(signal.SIGKILL)
        self.reap()
        Undisturbed.start(self)
        self.tend = lambda: Undisturbed.tend(self)

    def reap(self):
        if self.armed_runner:
            self.armed_runner.kill()
            self.armed_runner.wait()
            self.armed_runner = None
