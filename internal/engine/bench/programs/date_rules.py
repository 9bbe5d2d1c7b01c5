"""A calendar of repeating dates: rules expanded, holidays, working hours, time zones of our own, formats both ways."""
import calendar
from collections import Counter
from datetime import date, datetime, time, timedelta, timezone, tzinfo


class Summer(tzinfo):
    """A zone an hour ahead, two from the last Sunday of March to that of October."""

    def utcoffset(self, when):
        return timedelta(hours=1) + self.dst(when)

    def dst(self, when):
        begin, end = (last_sunday(when.year, month) for month in (3, 10))
        return timedelta(hours=begin <= when.date() < end)

    def tzname(self, when):
        return "SUM" if self.dst(when) else "STD"


SUNDAYS = {}


def last_sunday(year, month):
    if (year, month) not in SUNDAYS:
        day = date(year, month, calendar.monthrange(year, month)[1])
        SUNDAYS[year, month] = day - timedelta(days=(day.weekday() + 1) % 7)
    return SUNDAYS[year, month]


def easter(year):
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    moon = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * moon) // 451
    month, day = divmod(h + moon - 7 * m + 114, 31)
    return date(year, month, day + 1)


def holidays(year):
    fixed = {date(year, 1, 1), date(year, 5, 1), date(year, 12, 25), date(year, 12, 26)}
    return fixed | {easter(year) + timedelta(days=days) for days in (-2, 1, 39, 50)}


class Rule:
    def __init__(self, start, every, unit, weekdays=(), until=None):
        self.start, self.every, self.unit, self.weekdays, self.until = start, every, unit, weekdays, until

    def months(self):
        index = self.start.year * 12 + self.start.month - 1
        while True:
            year, month = divmod(index, 12)
            yield date(year, month + 1, min(self.start.day, calendar.monthrange(year, month + 1)[1]))
            index += self.every

    def days(self):
        day = self.start
        while True:
            if self.unit == "day":
                yield day
                day += timedelta(days=self.every)
                continue
            for ahead in range(7):
                if (day + timedelta(days=ahead)).weekday() in self.weekdays:
                    yield day + timedelta(days=ahead)
            day += timedelta(weeks=self.every)

    def __iter__(self):
        for day in self.months() if self.unit == "month" else self.days():
            if day > self.until:
                return
            yield day


def working(begin, end, free):
    total, day = timedelta(), begin.date()
    while day <= end.date():
        if day.weekday() < 5 and day not in free:
            opens = max(begin, datetime.combine(day, time(9)))
            closes = min(end, datetime.combine(day, time(17, 30)))
            total += max(closes - opens, timedelta())
        day += timedelta(days=1)
    return total


def run():
    zone, names, checksum = Summer(), Counter(), 0
    free = set().union(*(holidays(year) for year in range(2015, 2027)))
    rules = [Rule(date(2016, 1, 31), 1, "month", until=date(2026, 1, 1)), Rule(date(2016, 2, 29), 4, "day", until=date(2025, 1, 1)),
             Rule(date(2016, 3, 7), 1, "week", (0, 1, 3), date(2024, 6, 1)), Rule(date(2015, 11, 1), 1, "week", (1, 2, 4, 5), date(2026, 3, 1))]
    for number, rule in enumerate(rules):
        for day in rule:
            while day in free or day.weekday() == 6:
                day += timedelta(days=1)
            local = datetime.combine(day, time(7 + number * 5, 30), zone)
            names[local.tzname()] += 1
            other = local.astimezone(timezone.utc)
            text = other.strftime("%a %d %b %Y %H:%M:%S")
            if datetime.strptime(text, "%a %d %b %Y %H:%M:%S").replace(tzinfo=timezone.utc) != local:
                raise AssertionError(text)
            checksum += other.toordinal() % 7 + other.hour + day.isocalendar()[1] + len(local.isoformat())
            checksum += datetime.fromisoformat(local.isoformat()).utcoffset().seconds // 3600
    for n in range(260):
        begin = datetime(2019, 1 + n % 12, 1 + n % 28, n % 24, 15)
        checksum += working(begin, begin + timedelta(days=n, hours=5), free) // timedelta(minutes=15)
    for year in (2021, 2024):
        checksum += len(calendar.TextCalendar(6).formatyear(year)) + sum(easter(y).day for y in range(1900, year))
    return checksum, sorted(names.items())
