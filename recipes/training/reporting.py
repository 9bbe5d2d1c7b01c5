"""Logging into memory, dates, addresses, tables of text, and other parts of the library that programs use to report."""

import calendar
import datetime
import fnmatch
import graphlib
import io
import ipaddress
import logging
import pathlib
import posixpath
import pprint
import reprlib
import string

from lcg import Draw

logging.logProcesses = logging.logMultiprocessing = False  # a record asks for no process id; its clock is the constant one


class Logger(logging.Logger):
    """Makes its records by makeLogRecord with a fixed time, and no look at the process or at threads."""

    def makeRecord(self, name, level, fn, lno, msg, args, exc_info, func=None, extra=None, sinfo=None):
        if len(args) == 1 and isinstance(args[0], dict):
            args = args[0]
        fields = dict(name=name, levelno=level, levelname=logging.getLevelName(level), msg=msg, args=args, exc_info=exc_info)
        fields.update(extra or {}, lineno=lno, funcName=func, created=86400.5 * lno, msecs=500.0)
        return logging.makeLogRecord(fields)


class Keep(logging.Filter):
    def filter(self, record):
        record.size = len(record.msg)
        return not record.getMessage().endswith("7")


def fixed_time(record, datefmt=None):
    seconds = datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=record.created)
    return seconds.isoformat(" ")


def logged(n):
    out = io.StringIO()
    root, child = Logger("shop"), Logger("shop.cart")
    child.parent, root.manager, child.manager = root, logging.root.manager, logging.root.manager
    for style, form in (("%", "%(levelname)-8s %(name)s %(message)s"), ("{", "{asctime} {name}: {message} {size}"), ("$", "$levelname $message")):
        handler = logging.StreamHandler(out)
        formatter = logging.Formatter(form, style=style)
        formatter.formatTime = fixed_time
        handler.setFormatter(formatter)
        handler.setLevel(logging.INFO)
        root.addHandler(handler)
    child.addFilter(Keep())
    child.setLevel(logging.DEBUG)
    for i in range(n):
        child.debug("never formatted %s", i)
        child.info("number %d of %s", i, "many")
        child.log(logging.DEBUG - 1, "off %s", i)
        if child.isEnabledFor(logging.WARNING):
            child.warning("%(a)s and %(b)s", {"a": i, "b": "x"})
        child.error("plain text", extra={"user": "u"})
        if i % 3:
            fields = {"name": "made", "levelno": 40, "levelname": "ERROR", "msg": "by hand %r", "args": (i,), "size": 1, "created": 5.0 * i}
            root.handle(logging.makeLogRecord(fields))
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    return len(out.getvalue()), out.getvalue()[:60]


def dates(n):
    zone = datetime.timezone(datetime.timedelta(hours=2), "X")
    start = datetime.datetime(2020, 2, 28, 22, 30, tzinfo=zone)
    total = 0
    for i in range(n):
        moment = start + datetime.timedelta(days=i * 3, hours=i, microseconds=i)
        total += (moment - start).days + moment.weekday() + moment.toordinal() % 7 + len(moment.isoformat())
        total += (datetime.datetime.fromisoformat(moment.isoformat()) == moment) + moment.isocalendar()[1]
        total += moment.astimezone(datetime.timezone.utc).hour + (moment > start) + len(str(moment.date())) + moment.timetuple().tm_yday
        day = datetime.date(2000 + i % 30, 1 + i % 12, 1 + i % 28).replace(day=5)
        total += day.day + (day < moment.date()) + len(repr(day)) + len(moment.strftime("%Y-%m-%d %H:%M %j")) + hash(day.year) % 5
        total += int((moment - start) / datetime.timedelta(hours=1)) + int(datetime.timedelta(minutes=i).total_seconds())
    total += sum(len(week) for week in calendar.monthcalendar(2020, 2)) + len(calendar.TextCalendar().formatmonth(2021, 5))
    return total, str(moment), str(datetime.timedelta(seconds=n * 1000.5))


def networks(n):
    net = ipaddress.ip_network("10.1.0.0/20")
    total = 0
    for i in range(n):
        address = ipaddress.ip_address("10.%d.%d.%d" % (i % 3, i % 250, i * 7 % 250))
        total += (address in net) + int(address) % 7 + address.is_private + len(str(address + 1))
        total += len(ipaddress.ip_address("2001:db8::%x" % i).exploded)
    parts = list(net.subnets(new_prefix=24))
    return total, str(parts[-1]), net.num_addresses, [str(a) for a in ipaddress.collapse_addresses(parts[:4])], sum(1 for _ in parts[0].hosts())


def paths(n):
    total = 0
    for i in range(n):
        path = pathlib.PurePosixPath("/srv/data", "set%d" % i) / "file.tar.gz"
        total += len(path.parts) + len(path.suffixes) + len(path.stem) + len(str(path.with_suffix(".zip"))) + len(path.relative_to("/srv").as_posix())
        total += path.match("*.gz") + len(posixpath.normpath("/a/./b/../c%d//d" % i)) + len(posixpath.join("a", "b", str(i)))
        total += len(posixpath.relpath("/a/b/c", "/a/d")) + len(posixpath.splitext("x.y")[1]) + fnmatch.fnmatchcase("name%d.txt" % i, "n*[0-9].t?t")
        total += (path < path.parent) + (path == pathlib.PurePosixPath(str(path))) + len(posixpath.basename(str(path)))
    return total


def printed(n):
    draw = Draw(n)
    data = {"list": list(range(30)), "words": [draw.word() for _ in range(n)], "nested": {"k%d" % i: (i, [i] * 3) for i in range(n)}}
    return len(pprint.pformat(data, width=60)), len(reprlib.repr(data)), len(pprint.pformat([data, (1,), {3}], compact=True))


def tabulated(n):
    draw = Draw(n)
    rows = [(draw.word(), draw.below(1000), draw.unit() * 100) for _ in range(n)]
    widths = [max(len(str(row[i])) for row in rows) for i in range(3)]
    lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += ["| %-10s | %6d | %8.2f |" % row for row in rows] + [f"<td>{a}</td><td>{b:>5}</td><td>{c:.1f}</td>" for a, b, c in rows]
    groups = {}
    for name, count, value in rows:
        entry = groups.setdefault(name[0], {"count": 0, "sum": 0.0, "names": []})
        entry["count"] += count
        entry["sum"] += value
        entry["names"].append(name)
    for key in sorted(groups, key=lambda k: (-groups[k]["count"], k)):
        lines.append("{0}: {1[count]:5d} {1[sum]:7.2f} {2}".format(key, groups[key], ", ".join(groups[key]["names"][:4])))
    return len("\n".join(lines)), lines[-1]


def ordered(n):
    graph = {i: {j for j in (i // 2, i // 3) if j != i} for i in range(1, n)}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    form = string.Formatter()
    return order[0], sorted(order)[-1], form.format("{0} {a[x]}", 1, a={"x": 2}), list(form.parse("a{b:c}d"))


def run():
    results = []
    for n in range(5, 125, 5):
        results += [logged(n), dates(n * 2), networks(n), paths(n), printed(n), tabulated(n * 2), ordered(n)]
    return results
