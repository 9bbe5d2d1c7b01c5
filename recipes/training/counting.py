"""Integers small and big, mixed arithmetic, decimal, fractions, number theory."""

import decimal
import fractions
import math

from lcg import Draw

D = decimal.Decimal
F = fractions.Fraction


def small(n):
    a, b, c, total = 1, 2, 3, 0
    for i in range(n):
        a = a + b & 0xFFFF
        b = b * 3 ^ c
        c = c - a if c > a else c + (b >> 2)
        b %= 8191
        c &= 0x7FFFFFF
        total += a // 3 + (b | 1) + (~c & 15) + (i << 3) - -i + (a != b) + (i <= b)
        if i % 3 == 0 and a > 5 or not b:
            total -= 1
        elif 10 < i < 90:
            total += i ** 2
    return total


def mixed(n):
    values = [1, 2.5, True, 7, 2**70, 0.125, -3, 10**12, F(1, 2), D(3)]
    total = 0
    for i in range(n):
        for v in values:
            total += (v > i) + (v == i) + bool(v) + (v != 2.5)
            total += int(v * 2) % 7 + int(v + 1) // 3
        total += int(i + 0.5) + int(2.0 * i) + int(i / 4) + (i < 3.5) + (True + i)
    return total


def primes(n):
    sieve = [True] * n
    for i in range(2, math.isqrt(n) + 1):
        if sieve[i]:
            for j in range(i * i, n, i):
                sieve[j] = False
    return sum(i for i in range(2, n) if sieve[i])


def collatz(n):
    best = 0
    for start in range(1, n):
        value, steps = start, 0
        while value != 1:
            value = value // 2 if value % 2 == 0 else 3 * value + 1
            steps += 1
        best = max(best, steps)
    return best


def big(n):
    a, b, total = 1, 1, 0
    for i in range(1, n):
        a *= i + 12345
        b = b * 3 + a
        q, r = divmod(b, (a >> 5) + 1)
        total += q % 1000 + r % 97 + (a & b) % 31 + (a | b) % 37 + (a ^ -b) % 41 + a.bit_length()
        if a.bit_length() > 3000:
            a >>= 2000
            b //= a
    text = str(a)
    total += int(text) % 1009 + len(hex(b)) + len("%d" % b) + int(hex(b), 16) % 7 + (int(text) == a)
    total += sum(map(int, str(math.factorial(200)))) + math.comb(90, 40) % 997 + len(str(3**900 * 7**300))
    return total


def modular(n):
    total, p = 0, 2**127 - 1
    for i in range(2, n):
        total += pow(i, p - 2, p) * i % p + pow(3, i * 7, 1000003) + pow(i, -1, 1000003) + math.gcd(i * 84, 36 * p)
        total += math.lcm(i, 12) + math.isqrt(p * i) % 13 + (-i // 7) + (-i % 7) + ((1 << i) - 1) % 11
    key = pow(65537, -1, (2**89 - 2) * (2**107 - 2))
    return total % p, pow(pow(42, 65537, (2**89 - 1) * (2**107 - 1)), key, (2**89 - 1) * (2**107 - 1))


def e_digits(n):
    """Euler's number from its series over one denominator."""
    above, below = 1, 1
    for k in range(n, 0, -1):
        above, below = above + k * below, k * below
    return str(10 ** (n // 2) * above // below)


def lengthy(n):
    """Numbers of thousands of bits, through every operator: their loops run long, where those above run short."""
    a, b, total = 3 ** (n * 9), 7 ** (n * 5), 0
    modulus = (1 << (n + 90)) - 159
    for i in range(1, n):
        a, b = b + (a >> 3), a ^ (b << 1)
        total += (a > b) + (a - b) % 1013 + (b * i) % 65521 + (a // (i + 7)) % 8191 + bin(-a & b).count("1") % 7 + (a | b).bit_length()
        if i % 8 == 0:
            total += (a * b) % modulus % 101 + (a // (b >> (n * 4) | 1)) % 103 + pow(a % modulus, i * 2 + 65537, modulus) % 107
            total += math.gcd(a, b) % 109 + math.isqrt(a) % 113 + len(hex(b)) + len(bin(a)) + int(hex(a)[:-9], 16) % 127
            a, b = a % (1 << (n * 14)) | 1, b % (1 << (n * 14)) | 1
    return total


def karatsuba(n):
    draw = Draw(n)
    a = int("".join(str(draw.below(10)) for _ in range(n)) + "1")
    b = a * a + 1
    return (a * b - b * b) % 1000007, b // a % 1000003, math.isqrt(b) == a, len(str(b)) if n < 1500 else 0


def decimals(n):
    total = D(0)
    rate, cent = D("1.0825"), D("0.01")
    text = 0
    with decimal.localcontext() as context:
        context.prec = 34
        for i in range(1, n):
            price = D(i) / 7 + D("19.99")
            total += (price * rate).quantize(cent, rounding=decimal.ROUND_HALF_EVEN)
            total -= D(i).sqrt() // 1 + price % 3
            text += len(str(price)) + len(f"{price:,.2f}") + (price > 20) + int(price) + (price.compare(D(20)) == 1)
            text += price.as_tuple().exponent + (D(str(i)) == i) + hash(D(i)) % 5 + len(repr(-price)) + round(price, 1).adjusted()
            if i % 50 == 0:
                text += int(D(2).ln() * 10**20) % 97 + int((D(i) / 10).exp()) % 13 + int(D("1.1") ** i)
        text += sum(D(v).normalize() == D(v) for v in ("1.50", "100", "3e5", "NaN", "-Infinity"))
        try:
            D(1) / 0
        except decimal.DivisionByZero:
            text += 1
    return str(total), text


def fractional(n):
    total, steps = F(0), []
    for i in range(1, n):
        total += F(1, i) if i % 2 else -F(i, i + 1) * F(2, 3)
        if i % 16 == 0:
            steps.append(total.limit_denominator(1000))
            total = total.limit_denominator(10**9) - int(total)
    return str(total), steps[-1:], F("3/4") + 1 > F(0.5), round(F(7, 3), 2), math.floor(F(-7, 2))


def digits(n):
    out = 0
    for i in range(n):
        out += sum(int(d) for d in str(i * i)) + int(bin(i)[2:], 2) + int(oct(i), 8) + len(format(i, "x"))
        out += sum(divmod(i, 10)) + (str(i) == str(i)[::-1]) + bin(i).count("1") + int("0x%x" % i, 0)
    return out


def run():
    results = []
    for n in range(20, 300, 7):
        results += [small(n * 8), mixed(n), primes(n * 12), collatz(n), big(n // 2), modular(n // 4 + 3), e_digits(n // 2), lengthy(n // 2)]
        results += [karatsuba(n * 3), decimals(n), fractional(n // 2), digits(n * 2)]
    return results
