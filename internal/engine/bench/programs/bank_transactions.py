"""A bank of accounts: nested transactions that roll back, errors of many kinds, context managers, retries."""
import contextlib
import random


class BankError(Exception):
    def __init__(self, account, text):
        super().__init__("%s: %s" % (account, text))
        self.account = account


class Overdrawn(BankError):
    def __init__(self, account, missing):
        super().__init__(account, "%d missing" % missing)
        self.missing = missing


class Locked(BankError):
    pass


class Unreachable(OSError):
    pass


class Bank:
    def __init__(self, count):
        self.balances = {"acc%d" % n: 500 + n for n in range(count)}
        self.journal, self.locked, self.undone, self.calls = [], set(), 0, 0

    @contextlib.contextmanager
    def transaction(self):
        mark = len(self.journal)
        try:
            yield self
        except BaseException:
            while len(self.journal) > mark:
                account, amount = self.journal.pop()
                self.balances[account] -= amount
                self.undone += 1
            raise

    def lock(self, *accounts):
        return Lock(self, accounts)

    def book(self, account, amount):
        try:
            balance = self.balances[account]
        except KeyError as error:
            raise BankError(account, "unknown") from error
        if balance + amount < 0:
            raise Overdrawn(account, -balance - amount)
        self.balances[account] += amount
        self.journal.append((account, amount))

    def notify(self, account):
        self.calls += 1
        if self.calls % 11 == 0:
            raise Unreachable(110, "no answer", account)


class Lock:
    def __init__(self, bank, accounts):
        self.bank, self.accounts = bank, accounts

    def __enter__(self):
        for account in self.accounts:
            if account in self.bank.locked:
                raise Locked(account, "locked")
        self.bank.locked.update(self.accounts)

    def __exit__(self, kind, error, trace):
        self.bank.locked.difference_update(self.accounts)
        return kind is not None and issubclass(kind, Unreachable) and error.errno == 110


def retry(function, *arguments, times=3):
    for left in range(times - 1, -1, -1):
        try:
            return function(*arguments)
        except Overdrawn as error:
            if not left:
                raise
            arguments = (*arguments[:3], max(1, arguments[3] - error.missing))
        finally:
            COUNTS["tries"] += 1


def transfer(bank, source, target, amount):
    with bank.transaction(), bank.lock(source, target):
        bank.book(target, amount)
        bank.book(source, -amount)
        with contextlib.suppress(ZeroDivisionError):
            COUNTS["shares"] += 1000 // (amount % 10)
        bank.notify(target)
    return amount


def salaries(bank, company, workers, each):
    with bank.transaction():
        for worker in workers:
            try:
                with bank.transaction():
                    bank.book(worker, each)
                    bank.book(company, -each)
            except Overdrawn as error:
                if error.missing > 230:
                    raise RuntimeError("bankrupt") from error
                COUNTS["late"] += 1


COUNTS = {}


def run():
    COUNTS.update(tries=0, shares=0, late=0, failed=0, bankrupt=0)
    bank, rng = Bank(200), random.Random(31)
    names = list(bank.balances) + ["nobody"]
    for turn in range(23000):
        source, target = rng.choice(names), rng.choice(names)
        try:
            if turn % 9:
                retry(transfer, bank, source, target, rng.randint(1, 1500))
            else:
                salaries(bank, source, names[turn % 150:turn % 150 + 8], turn % 260)
        except (Locked, Overdrawn) as error:
            COUNTS["failed"] += len(error.account)
        except BankError as error:
            COUNTS["failed"] += isinstance(error.__cause__, KeyError)
        except RuntimeError as error:
            COUNTS["bankrupt"] += error.__cause__.missing > 0
    assert sum(bank.balances.values()) == 200 * 500 + sum(range(200))
    return sorted(COUNTS.items()), bank.undone, len(bank.journal), min(bank.balances.values())
