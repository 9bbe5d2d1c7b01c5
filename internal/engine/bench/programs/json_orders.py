"""The orders of a shop go through JSON: read, priced, written again, with hooks for types of our own."""
import json
import random
from datetime import date, timedelta
from fractions import Fraction

WARES = ["kettle", "lamp", "rug", "clock", "mug", "blanket", "shelf", "mirror"]
NOTES = ["", "leave at the door", "Gr\u00fc\u00dfe aus K\u00f6ln", "call \"first\"\nthen ring", "fragile\t!"]


def make_orders(count):
    rng = random.Random(11)
    first = date(2020, 1, 1)
    orders = []
    for number in range(count):
        lines = [
            {"ware": rng.choice(WARES), "pieces": rng.randint(1, 9), "price": round(rng.uniform(1, 90), 2)}
            for _ in range(rng.randint(1, 6))
        ]
        orders.append({
            "id": number,
            "day": first + timedelta(days=rng.randrange(900)),
            "customer": {"name": "customer %d" % (number % 97), "vip": number % 13 == 0, "phone": None},
            "note": rng.choice(NOTES),
            "discount": Fraction(rng.randint(0, 4), 20),
            "lines": lines,
        })
    return orders


class OrderEncoder(json.JSONEncoder):
    def default(self, value):
        if isinstance(value, date):
            return {"$date": value.isoformat()}
        if isinstance(value, Fraction):
            return {"$fraction": [value.numerator, value.denominator]}
        return super().default(value)


def revive(mapping):
    if "$date" in mapping:
        return date.fromisoformat(mapping["$date"])
    if "$fraction" in mapping:
        return Fraction(*mapping["$fraction"])
    return mapping


def total(order):
    plain = sum(line["pieces"] * line["price"] for line in order["lines"])
    return round(plain * (1 - float(order["discount"])), 2)


ORDERS = make_orders(2500)


def run():
    checksum = 0
    wire = OrderEncoder(sort_keys=True).encode(ORDERS)
    for _ in range(7):
        orders = json.loads(wire, object_hook=revive)
        for order in orders:
            order["total"] = total(order)
        small = json.dumps([o["total"] for o in orders if o["customer"]["vip"]])
        pretty = json.dumps(orders[:1200], cls=OrderEncoder, indent=2, ensure_ascii=False)
        checksum = (checksum * 31 + len(pretty) + sum(map(ord, small))) % 1000003
        plain = json.dumps([{k: v for k, v in o.items() if k not in ("day", "discount")} for o in orders])
        for order in json.loads(plain):
            checksum += len(order["lines"]) + len(order["note"])
    return checksum
