"""Numbers beyond the machine's: digits of pi, primes by Miller and Rabin, continued fractions, a toy of public keys."""
from fractions import Fraction
from math import gcd, isqrt


def pi_digits(count):
    """A spigot: each digit as soon as it is known."""
    q, r, t, k, m, x = 1, 0, 1, 1, 3, 3
    digits = []
    while len(digits) < count:
        if 4 * q + r - t < m * t:
            digits.append(m)
            q, r, m = 10 * q, 10 * (r - m * t), 10 * (3 * q + r) // t - 10 * m
        else:
            q, r, t, k, m, x = q * k, (2 * q + r) * x, t * x, k + 1, (q * (7 * k + 2) + r * x) // (t * x), x + 2
    return digits


def is_prime(n):
    for small in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if n % small == 0:
            return n == small
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def next_prime(n):
    n |= 1
    while not is_prime(n):
        n += 2
    return n


def inverse(a, modulus):
    old, new, s, t = modulus, a % modulus, 0, 1
    while new:
        quotient = old // new
        old, new, s, t = new, old - quotient * new, t, s - quotient * t
    return s % modulus


def rho(n):
    """A factor of n by Pollard's method."""
    for c in range(1, 20):
        x = y = 2
        d = 1
        while d == 1:
            x = (x * x + c) % n
            y = (y * y + c) % n
            y = (y * y + c) % n
            d = gcd(abs(x - y), n)
        if d != n:
            return d
    return n


def square_root_terms(n, count):
    root, m, d = isqrt(n), 0, 1
    a, terms = root, []
    for _ in range(count):
        terms.append(a)
        m = d * a - m
        d = (n - m * m) // d
        a = (root + m) // d
    return terms


def convergent(terms):
    value = Fraction(terms[-1])
    for term in reversed(terms[:-1]):
        value = term + 1 / value
    return value


def run():
    checksum = sum(place * digit for place, digit in enumerate(pi_digits(2200)))
    p, q = next_prime(3 ** 260 + 4), next_prime(7 ** 180)
    key = inverse(65537, (p - 1) * (q - 1))
    for message in (12345678901234567890, 2 ** 200 + 1, 99 ** 40):
        secret = pow(message, 65537, p * q)
        checksum += secret % 99991 + (pow(secret, key, p * q) == message)
    for n in range(1, 16):
        checksum += rho(next_prime(30000 + 977 * n) * next_prime(700001 * n))
    for n in range(2, 160):
        if isqrt(n) ** 2 != n:
            value = convergent(square_root_terms(n, 50))
            checksum += value.numerator % 9973 - value.denominator % 9967
    a, b = 0, 1
    for _ in range(40000):
        a, b = b, a + b
    return checksum, len(hex(a >> 2000)), hex(a)[-6:], bin(b).count("1")
