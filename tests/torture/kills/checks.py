"""What is wrong with a workspace in the end: steps that ran twice, versions, the release,
deliveries and tokens. Knows nothing of what was done to it.
"""
import time

PUBLISHED_WITHIN_S = 90  # what failed is tried again after up to a minute


def strange_runs(scene, shim_kills):
    """What ran twice, too often, or not at all."""
    ran, extra = scene.ran(), 0
    for (step, key), runs in ran.items():
        if (step, key) not in scene.wanted:
            yield f"{step} ran on inputs {key}, which never were together"
        extra += len(runs) - 1
        for (_, _, ended), (_, began, _) in zip(runs, runs[1:]):
            if ended and ended > began:
                yield f"{step} on {key} ran twice at the same time"
        if len([run for run in runs if run[2]]) > 1 and not shim_kills:
            yield f"{step} on {key} came to its end {len(runs)} times"
    if extra > shim_kills:
        yield f"{extra} steps ran once more, and only {shim_kills} attempts were killed"
    for step, key in scene.wanted:
        if not any(run[2] for run in ran.get((step, key), [])):
            yield f"{step} never came to its end on {key}"


def strange_registry(workspace):
    door, champions = workspace.door, {}
    for name, (version, sha) in workspace.scene.models().items():
        model = door.get(f"/v1/models/{name}")
        numbers = [v["version"] for v in model["versions"]]
        if numbers != list(range(1, version + 1)):
            yield f"{name} has the versions {numbers}, not 1 to {version}"
        hashes = [v["sha256"] for v in model["versions"]]
        if len(set(hashes)) != len(hashes):
            yield f"{name} has two versions of the same bytes"
        if model["version"] != version or model["sha256"] != sha:
            yield f"the alias of {name} is at {model['version']}, {model['sha256']}"
        champions[name] = str(version)
    release = door.get("/v1/release")
    if release["manifest"] != champions or not release["live"]:
        yield f"the live release is {release['manifest']}, the champions are {champions}"
    until = time.monotonic() + PUBLISHED_WITHIN_S  # the image comes after the run's end
    status, verified = door.ask("POST", "/v1/release/verify", {})
    while not (status == 200 and verified["ok"]) and time.monotonic() < until:
        time.sleep(0.2)
        status, verified = door.ask("POST", "/v1/release/verify", {})
    if status != 200 or verified["ok"] is not True:
        yield f"release verify: {status} {verified}"
    counts = door.get("/v1/plan")["counts"]
    if counts != {"current": len(champions)}:
        yield f"the plan is {counts}"


def strange_doors(workspace):
    door = workspace.door
    for hook, name, text in door.acknowledged:
        status = door.patiently(lambda: door.send(hook, name, text))
        if status != 409:
            yield f"delivery {name} was acknowledged and is not known ({status})"
    tokens = {token["name"]: token["live"] for token in door.get("/v1/tokens")}
    audit = [(entry["path"], entry["status"]) for entry in door.get("/v1/audit?limit=10000")]
    for name, ended in workspace.tokens.items():
        if tokens.get(name) is not (not ended):
            yield f"token {name} is {tokens.get(name)}"
        if not any(path == f"/v1/tokens/{name}/revoke" for path, _ in audit):
            yield f"the end of token {name} is not in the audit log"


def deaf(workspace):
    """Checks that find nothing where something is wrong."""
    workspace.door.acknowledged.append(("rows", "never-made", "{\"event\":\"ping\"}"))
    found = list(strange_doors(workspace))
    if not any("never-made" in one for one in found):
        yield "a delivery that nobody made is not missed"
    marks = workspace.scene.marks
    last = marks.read_text().splitlines()[-1].split()
    now = time.time_ns()
    with open(marks, "a") as out:
        for word, pid, at in (("began", 1, now), ("began", 2, now), ("ended", 1, now + 2),
                              ("ended", 2, now + 3)):
            out.write(f"{word} {last[1]} {last[2]} {pid} {at}\n")
    if not any("at the same time" in one for one in strange_runs(workspace.scene, 1000)):
        yield "a step that runs twice is not seen"
