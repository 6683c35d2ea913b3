"""Prints the value of a Python expression over a JSON document, which it calls `d`.

json_value.py FILE EXPRESSION. Knows nothing of what the document is about.
"""
import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    names = {"d": document, "by": by, "steps": lambda: by(document["steps"], "step")}
    answer = eval(f"({sys.argv[2]})", names)  # the expression is the test's own
    print(answer if isinstance(answer, (str, bool)) else json.dumps(answer, sort_keys=True))


def by(rows, key):
    """Rows of a list under the value of their `key`."""
    return {row[key]: row for row in rows}


main()
