"""A ledger in decimals: interest, taxes, rounding to the cent, instalments, long division."""
import decimal
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
RATES = {"full": Decimal("0.19"), "reduced": Decimal("0.07"), "none": Decimal(0)}


class Account:
    def __init__(self, number):
        self.number = number
        self.balance = Decimal(number * 37 % 5000) + Decimal(number % 100) / 100
        self.rate = Decimal("0.015") + Decimal(number % 9) / 1000
        self.entries = []

    def book(self, amount, text):
        amount = amount.quantize(CENT, rounding=ROUND_HALF_EVEN)
        self.balance += amount
        self.entries.append((text, amount))

    def month(self):
        if self.balance > 0:
            self.book(self.balance * self.rate / 12, "interest")
        elif self.balance < -100:
            self.book(self.balance * Decimal("0.11") / 12, "overdraft")
        self.book(-Decimal("3.90"), "fee")


def invoice(lines):
    net, taxes = Decimal(0), {}
    for pieces, price, kind in lines:
        amount = (pieces * price).quantize(CENT, ROUND_HALF_UP)
        net += amount
        taxes[kind] = taxes.get(kind, Decimal(0)) + amount * RATES[kind]
    return net + sum(tax.quantize(CENT, ROUND_HALF_UP) for tax in taxes.values())


def instalments(sum_, rate, months):
    factor = (1 + rate / 12) ** months
    rate_each = (sum_ * rate / 12 * factor / (factor - 1)).quantize(CENT, ROUND_DOWN)
    left, paid = sum_, Decimal(0)
    while left > rate_each:
        interest = (left * rate / 12).quantize(CENT)
        left, paid = left + interest - rate_each, paid + rate_each
    return paid + left


def euler(digits):
    with decimal.localcontext() as context:
        context.prec = digits + 5
        total, term, n = Decimal(1), Decimal(1), 1
        while term > Decimal(10) ** -(digits + 2):
            term /= n
            total += term
            n += 1
        return str(total)[:digits]


def run():
    accounts = [Account(number) for number in range(300)]
    for month in range(180):
        for account in accounts:
            account.month()
            if (account.number + month) % 6 == 0:
                other = accounts[(account.number * 7 + month) % len(accounts)]
                amount = Decimal(month * 13 + account.number) / 7
                account.book(-amount, "to %d" % other.number)
                other.book(amount, "from %d" % account.number)
    total = sum(account.balance for account in accounts)
    billed = Decimal(0)
    for number in range(9000):
        kinds = ["full", "reduced", "none"]
        billed += invoice([(k + 1, Decimal("%d.%02d" % (number % 50, k * 19 % 100)), kinds[(number + k) % 3]) for k in range(5)])
    paid = sum(instalments(Decimal(1000 + 250 * n), Decimal("0.049") + Decimal(n) / 2000, 12 + 6 * (n % 8)) for n in range(400))
    signs = sum(1 for a in accounts for _, amount in a.entries if amount.is_signed())
    return "%s %s %s %d %s" % (total, billed, paid, signs, euler(2000)[-12:])
