"""A service that logs: a tree of loggers, handlers, filters, own formatters, levels that drop most of it."""
import io
import logging
import logging.handlers


class Tenant(logging.Filter):
    """Adds who a record is for, and drops what is for nobody."""

    def __init__(self):
        super().__init__()
        self.current = "none"

    def filter(self, record):
        record.tenant = self.current
        return self.current != "none" or record.levelno >= logging.ERROR


class Pairs(logging.Formatter):
    def format(self, record):
        text = "level=%s logger=%s tenant=%s msg=%r" % (record.levelname.lower(), record.name, record.tenant, record.getMessage())
        if record.exc_info:
            text += " error=%s" % record.exc_info[0].__name__
        return text


class Capture(logging.Handler):
    def __init__(self, level):
        super().__init__(level)
        self.sizes = []

    def emit(self, record):
        self.sizes.append(len(self.format(record)))


class Adapter(logging.LoggerAdapter):
    def process(self, message, kwargs):
        return "[%s] %s" % (self.extra["job"], message), kwargs


def set_up(tenant):
    root = logging.Logger("service", logging.DEBUG)
    manager = logging.Manager(root)
    stream = logging.StreamHandler(io.StringIO())
    stream.setFormatter(logging.Formatter("{levelname:<8}|{name}|{tenant}|{funcName}|{message}", style="{"))
    stream.setLevel(logging.INFO)
    pairs = Capture(logging.WARNING)
    pairs.setFormatter(Pairs())
    memory = logging.handlers.MemoryHandler(50, logging.CRITICAL, pairs)
    for handler in (stream, memory):
        handler.addFilter(tenant)
        root.addHandler(handler)
    manager.getLogger("db").setLevel(logging.WARNING)
    assets = manager.getLogger("web.assets")
    assets.propagate = False
    assets.addHandler(logging.NullHandler())
    return manager, stream, memory, pairs


def handle(number, web, db, assets):
    web.debug("request %d begins", number)
    db.debug("select %s from %s where id = %d", "name", "users", number)
    db.info("dropped by its level: %r", [number])
    assets.warning("nobody hears this")
    try:
        if number % 9 == 0:
            {}[number]
        web.info("answered %d with %s in %.3f ms", number, {"status": 200}, number / 7)
    except KeyError:
        web.exception("no such user")
    if number % 5 == 0:
        db.warning("slow query: %(ms)d ms", {"ms": number % 800})
    if db.isEnabledFor(logging.DEBUG):
        raise AssertionError("db drops debug")


def run():
    tenant = Tenant()
    manager, stream, memory, pairs = set_up(tenant)
    web, db, assets = (manager.getLogger(name) for name in ("web.api", "db.pool", "web.assets"))
    job = Adapter(manager.getLogger("jobs"), {"job": "nightly"})
    for number in range(7000):
        tenant.current = ("none", "red", "blue", "green")[number % 4]
        handle(number, web, db, assets)
        if number % 6 == 0:
            job.info("step %d", number)
    memory.close()
    lines = [line for line in stream.stream.getvalue().splitlines() if "|" in line]
    return len(lines), sum(map(len, lines)), len(pairs.sizes), sum(pairs.sizes)
