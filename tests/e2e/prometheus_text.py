"""Reads Prometheus' text format 0.0.4, strictly, and evaluates expressions over it.

  python3 prometheus_text.py FILE EXPRESSION…   (m: name → {labels as text: value})

Refused is what Prometheus refuses, and what its rules for names and units advise against: a sample
before its HELP and TYPE, two samples of one name and labels, a counter that does not end in _total,
a unit that is no base unit, a histogram whose buckets do not grow or lack +Inf.
"""
import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
NO_BASE_UNIT = re.compile(r"_(ms|milliseconds|minutes|hours|kb|mb|kilobytes|percent)(_|$)")


def number(text):
    value = float(text.replace("+Inf", "inf").replace("-Inf", "-inf"))
    assert text != "NaN" or math.isnan(value)
    return value


def labels_of(text, line):
    found, rest = {}, text or ""
    while rest:
        match = LABEL.match(rest)
        assert match, f"labels: {line}"
        assert match[1] not in found, f"label twice: {line}"
        found[match[1]] = match[2]
        rest = rest[match.end():]
        assert not rest or rest[0] == ",", f"labels: {line}"
        rest = rest[1:]
    return found


def family_of(name, types):
    for suffix in ("_bucket", "_sum", "_count"):
        base = name[: -len(suffix)]
        if name.endswith(suffix) and types.get(base) == "histogram":
            return base
    return name


def check_histogram(name, buckets):
    for key, series in buckets.items():
        bounds = [bound for bound, _ in series]
        counts = [count for _, count in series]
        assert bounds == sorted(bounds) and math.isinf(bounds[-1]), f"buckets of {name} {key}"
        assert counts == sorted(counts), f"buckets of {name} {key} shrink"


def read(text):
    assert text.endswith("\n"), "no line end at the end"
    metrics, types, helps, buckets, last = {}, {}, set(), {}, None
    for line in text[:-1].split("\n"):
        assert "\r" not in line and line == line.strip(), f"odd spaces: {line!r}"
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE") and re.fullmatch(NAME, name), line
            if word == "HELP":
                assert name not in helps and rest, f"help twice or empty: {line}"
                helps.add(name)
            else:
                assert name in helps and name not in types, line
                assert rest in ("counter", "gauge", "histogram"), line
                types[name] = rest
                assert (rest == "counter") == name.endswith("_total"), f"_total: {name}"
                assert not NO_BASE_UNIT.search(name), f"no base unit: {name}"
            continue
        match = SAMPLE.match(line)
        assert match, f"no sample: {line!r}"
        name, labels, value = match[1], labels_of(match[2], line), number(match[3])
        family = family_of(name, types)
        assert family in types, f"a sample without a type: {line}"
        assert family == last or not any(
            n == family or family_of(n, types) == family for n in metrics
        ), f"{family} is not in one piece"
        last = family
        if types[family] == "counter":
            assert value >= 0, line
        if name.endswith("_bucket") and types[family] == "histogram":
            bound = number(labels.pop("le"))
            buckets.setdefault(family, {}).setdefault(str(sorted(labels.items())), []).append(
                (bound, value))
            continue
        key = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        assert key not in metrics.setdefault(name, {}), f"twice: {line}"
        metrics[name][key] = value
    for name, series in buckets.items():
        check_histogram(name, series)
        for key in series:
            assert metrics[name + "_count"], name
    return metrics


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        m = read(file.read())
    for expression in sys.argv[2:]:
        if not eval(expression, {"m": m}):
            sys.exit(f"not so: {expression}; {m}")


main()
