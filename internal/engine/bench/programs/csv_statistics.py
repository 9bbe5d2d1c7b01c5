"""Measurements in CSV: written in several dialects, sniffed, read as rows and as dicts, grouped, described."""
import csv
import io
import random
import statistics
from collections import defaultdict

FIELDS = ["station", "hour", "temperature", "wind", "remark"]
REMARKS = ["", "calm", "gusts, short", 'said "fine"', "two\nlines", "r\u00e9par\u00e9"]


class Semicolons(csv.Dialect):
    delimiter, quotechar, doublequote, lineterminator = ";", "'", True, "\r\n"
    quoting, skipinitialspace = csv.QUOTE_MINIMAL, True


def make_rows(count):
    rng = random.Random(77)
    return [
        {"station": "S%02d" % rng.randrange(18), "hour": n % 24, "temperature": round(rng.gauss(11, 6), 2),
         "wind": round(abs(rng.gauss(4, 3)), 1), "remark": rng.choice(REMARKS)}
        for n in range(count)
    ]


ROWS = make_rows(21000)


def write(rows, dialect):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, FIELDS, dialect=dialect)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read(text, dialect):
    for row in csv.DictReader(io.StringIO(text, newline=""), dialect=dialect):
        row["hour"] = int(row["hour"])
        row["temperature"] = float(row["temperature"])
        row["wind"] = float(row["wind"])
        yield row


def describe(values):
    values = sorted(values)
    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    mean = sum(values) / len(values)
    deviation = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    return round(mean, 3), median, round(deviation, 3), values[0], values[-1]


def slope(pairs):
    n = len(pairs)
    sx, sy = sum(x for x, _ in pairs), sum(y for _, y in pairs)
    sxx, sxy = sum(x * x for x, _ in pairs), sum(x * y for x, y in pairs)
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)


def run():
    report = []
    for dialect in ("excel", "excel-tab", Semicolons):
        text = write(ROWS, dialect)
        by_station, by_hour = defaultdict(list), defaultdict(list)
        remarks = 0
        for row in read(text, dialect):
            by_station[row["station"]].append((row["temperature"], row["wind"]))
            by_hour[row["hour"]].append(row["temperature"])
            remarks += len(row["remark"])
        table = [(name, *describe([t for t, _ in pairs]), round(slope(pairs), 4)) for name, pairs in sorted(by_station.items())]
        widths = [max(len(str(line[i])) for line in table) for i in range(len(table[0]))]
        lines = [" ".join(str(cell).rjust(width) for cell, width in zip(line, widths)) for line in table]
        report += [len(text), remarks, sum(len(line) for line in lines), max(by_hour, key=lambda hour: statistics.fmean(by_hour[hour]))]
    plain = [row[:3] for row in csv.reader(io.StringIO(write(ROWS[:6000], "unix")), quoting=csv.QUOTE_ALL)]
    halves = statistics.quantiles([float(row[2]) for row in plain[1:]], n=4)
    spread = statistics.pstdev([float(row[2]) for row in plain[1:900]])
    return report, ["%.3f" % cut for cut in halves], "%.6f" % spread
