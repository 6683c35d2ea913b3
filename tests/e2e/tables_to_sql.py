"""Prints SQL that makes the tables of a git table folder: tables_to_sql.py FOLDER

For text and whole numbers, which is what the examples hold. Knows nothing of a server.
"""
import csv
import pathlib
import re
import sys

TYPES = {"int": "BIGINT", "text": "TEXT"}
ROWS_AT_ONCE = 500


def quoted(cell):
    return "'" + cell.replace("\\", "\\\\").replace("'", "''") + "'"


def rows_of(folder, name):
    """Each row as column → text; a column that a folder's name gives is among them."""
    single = folder / f"{name}.csv"
    for path in [single] if single.exists() else sorted((folder / name).rglob("*.csv")):
        given = dict(part.split("=", 1) for part in path.parts if "=" in part)
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                yield {**given, **row}


def main():
    folder = pathlib.Path(sys.argv[1])
    for schema in sorted(folder.glob("*.schema.yaml")):
        name, text = schema.name[:-len(".schema.yaml")], schema.read_text()
        columns = re.findall(r"^  (\w+): (\w+)$", text, re.M)
        key = re.search(r"^key: \[(\w+)\]", text, re.M).group(1)
        made = ", ".join(f"`{column}` {TYPES[kind]} NOT NULL" for column, kind in columns)
        print(f"CREATE TABLE `{name}` ({made}, PRIMARY KEY (`{key}`));")
        rows = [", ".join(quoted(row[column]) for column, _ in columns)
                for row in rows_of(folder, name)]
        for at in range(0, len(rows), ROWS_AT_ONCE):
            some = "),\n(".join(rows[at:at + ROWS_AT_ONCE])
            print(f"INSERT INTO `{name}` VALUES\n({some});")


main()
