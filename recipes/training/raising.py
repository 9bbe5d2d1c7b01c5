"""Exceptions: raise, nested handlers, finally, context managers, chains, formatting of tracebacks."""

import contextlib
import io
import linecache
import sys
import traceback

SOURCE = '''\
class Refused(ValueError):
    """A value that is refused."""

def check(values, limit):
    total = 0
    for value in values:
        if value > limit:
            raise Refused("value", value, limit)
        total += 100 // value
    return total

def attempt(values, limit):
    try:
        return check(values, limit)
    except ZeroDivisionError as error:
        raise Refused("zero") from error

def recurse(n):
    return recurse(n - 1) if n else {}["missing"]

def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return error
'''
NAME = "<training>"
GROUPS = '''\
def groups(n):
    seen = []
    for i in range(n):
        try:
            raise ExceptionGroup("many", [ValueError(i), KeyError(i), TypeError(i)])
        except* ValueError as group:
            seen.append(len(group.exceptions))
        except* (KeyError, TypeError) as group:
            seen.append(str(group))
    return seen[-1]
'''


class Failure(Exception):
    code = 1

    def __init__(self, message, *, code=None):
        super().__init__(message)
        if code is not None:
            self.code = code

    def __str__(self):
        return "%s (%d)" % (self.args[0], self.code)


class Missing(Failure, LookupError):
    code = 2


class Transaction:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("begin")
        return self

    def __exit__(self, kind, error, trace):
        self.log.append("commit" if kind is None else "rollback " + kind.__name__)
        return kind is not None and issubclass(kind, Missing)


@contextlib.contextmanager
def indent(log, text):
    log.append("+" + text)
    try:
        yield log
    except KeyError as error:
        log.append(repr(error))
    finally:
        log.append("-" + text)


def find(table, key):
    try:
        return table[key]
    except KeyError:
        raise Missing(key) from None


def convert(text):
    try:
        value = int(text)
    except ValueError:
        try:
            value = float(text)
        except ValueError as error:
            value = len(str(error))
        else:
            value = value + 1
    except TypeError:
        value = -1
    finally:
        text = None
    return value


def early(n):
    for i in range(n):
        try:
            if i == 3:
                continue
            if i == 7:
                break
        finally:
            n += 1
    return n


def handlers(n):
    total = 0
    texts = ["1", "2.5", "x", None, "77", "1e3"]
    table = {"a": 1}
    for i in range(n):
        total += int(convert(texts[i % 6])) + early(i % 9)
        try:
            total += find(table, "ab"[i & 1])
        except Missing as error:
            total += error.code + len(str(error))
        except Failure:
            total -= 1
        try:
            raise Failure("f", code=i) if i % 3 else OSError(2, "none")
        except (OSError, Failure) as error:
            total += len(error.args)
    return total


def common_errors(n):
    actions = [
        lambda: [1][3],
        lambda: {}["x"],
        lambda: None.missing,
        lambda: "a" + 1,
        lambda: undefined,
        lambda: 1 // 0,
        lambda: int("q"),
        lambda: next(iter(())),
        lambda: (1, 2).index(3),
        lambda: len(5),
        lambda: b"\xff".decode(),
        lambda: chr(-1),
        lambda: convert(),
        lambda: "%d" % "x",
        lambda: [].pop(),
        lambda: [*5],
    ]
    size = 0
    for i in range(n):
        for action in actions:
            try:
                action()
            except Exception as error:
                size += len(str(error)) + len(type(error).__name__)
    return size


def managers(n):
    log = []
    total = 0
    for i in range(n):
        with Transaction(log), indent(log, "a"):
            if i % 3 == 0:
                find({}, "k")
            elif i % 3 == 1:
                raise KeyError(i)
        with contextlib.suppress(ValueError), contextlib.ExitStack() as stack:
            for j in range(3):
                stack.enter_context(Transaction(log))
                stack.callback(log.append, j)
            int("z")
        with contextlib.nullcontext(i) as value, contextlib.closing(io.StringIO("x")) as stream:
            total += value + len(stream.read())
    return total, len(log), log[:6]


def chains(n):
    depth = 0
    for i in range(n):
        try:
            try:
                try:
                    raise ValueError(i)
                except ValueError:
                    raise TypeError("second")
            except TypeError as error:
                raise Failure("third") from error
        except Failure as error:
            while error is not None:
                depth += 1
                error = error.__cause__ or error.__context__
    return depth


def formatted(n):
    linecache.cache[NAME] = (len(SOURCE), None, SOURCE.splitlines(True), NAME)
    space = {"__name__": "training"}
    exec(compile(SOURCE, NAME, "exec"), space)
    sizes = []
    for i in range(n):
        for name, args in (("check", ([1, 9], 5)), ("attempt", ([3, 0], 5)), ("recurse", (i % 9,)), ("check", (3, 4))):
            error = space["outcome"](space[name], *args)
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            sizes.append(len("".join(lines)))
        stack = traceback.extract_tb(error.__traceback__)
        sizes.append(stack[-1].lineno + len(traceback.format_exception_only(type(error), error)))
    return sizes[:5]


def deep(n):
    def down(i):
        return down(i + 1)

    limit = sys.getrecursionlimit()
    count = 0
    sys.setrecursionlimit(250)
    try:
        for _ in range(n):
            try:
                down(0)
            except RecursionError:
                count += 1
    finally:
        sys.setrecursionlimit(limit)
    return count


def grouped(n):
    if sys.version_info < (3, 11):
        return None
    space = {}
    exec(GROUPS, space)
    return space["groups"](n)


def run():
    results = []
    for n in range(20, 300, 17):
        results += [handlers(n * 9), common_errors(n), managers(n), chains(n * 3), formatted(n // 12 + 1), deep(n // 20), grouped(n)]
    return results
