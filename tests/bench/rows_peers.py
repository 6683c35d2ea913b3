"""The table of tests/bench/rows made into a float32 matrix by Python libraries.

  rows_peers.py pandas|connectorx PORT PARTS PROTOCOL
                PARTS: connections of connectorx; PROTOCOL: binary or text, its own word

Prints seconds, rows and the matrix's SHA-256; loading the libraries is not in the seconds. Knows
nothing of Lockstep.
"""
import hashlib
import sys
import time

import numpy

SELECT = "SELECT id, n, f0, f1, f2, f3, f4, f5, f6, f7, t FROM `rows`"


def by_pandas(port, _parts, _protocol):
    import pandas
    import pymysql
    begin = time.perf_counter()
    with pymysql.connect(host="127.0.0.1", port=port, user="root", database="shop") as connection:
        with connection.cursor() as cursor:
            cursor.execute(SELECT + " ORDER BY id")
            names = [column[0] for column in cursor.description]
            frame = pandas.DataFrame(cursor.fetchall(), columns=names)
    return begin, numpy.ascontiguousarray(frame.iloc[:, :10].to_numpy(numpy.float32))


def by_connectorx(port, parts, protocol):
    import connectorx
    import pyarrow  # noqa: F401  what it fills
    begin = time.perf_counter()
    place = f"mysql://root@127.0.0.1:{port}/shop"
    more = {"partition_on": "id", "partition_num": parts} if parts > 1 else {}
    table = connectorx.read_sql(place, SELECT if more else SELECT + " ORDER BY id",
                                return_type="arrow", protocol=protocol, **more)
    matrix = numpy.empty((table.num_rows, 10), numpy.float32)
    for column in range(10):
        matrix[:, column] = table.column(column).to_numpy()
    if parts > 1:  # batches come as they are ready
        matrix = matrix[numpy.argsort(table.column(0).to_numpy(), kind="stable")]
    return begin, matrix


def main():
    way = {"pandas": by_pandas, "connectorx": by_connectorx}[sys.argv[1]]
    begin, matrix = way(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    took = time.perf_counter() - begin
    print(f"{took:.6f} {len(matrix)} {hashlib.sha256(matrix.tobytes()).hexdigest()}")


main()
