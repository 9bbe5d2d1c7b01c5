"""Sessions of a server are kept and loaded with pickle: classes, shared objects, own reducers, both implementations."""
import collections
import copyreg
import datetime
import enum
import io
import pickle

Point = collections.namedtuple("Point", "x y")


class Level(enum.Enum):
    GUEST = 1
    MEMBER = 2
    STAFF = 3


class User:
    def __init__(self, number):
        self.name = "user%d" % number
        self.level = Level(number % 3 + 1)
        self.friends = []
        self.since = datetime.datetime(2019, 5, 1) + datetime.timedelta(hours=number)

    def __eq__(self, other):
        return self.name == other.name and self.since == other.since


class Session:
    __slots__ = ("user", "places", "cart", "cache")

    def __init__(self, user, number):
        self.user = user
        self.places = [Point(number * k % 90, k / 4) for k in range(6)]
        self.cart = {"item-%d" % k: (k, k * 1.25, None) for k in range(number % 8)}
        self.cache = {}

    def __getstate__(self):
        return {"user": self.user, "places": self.places, "cart": self.cart}

    def __setstate__(self, state):
        for name, value in state.items():
            setattr(self, name, value)
        self.cache = {}


class Ring:
    def __init__(self, items=()):
        self.items = collections.deque(items, maxlen=8)


copyreg.pickle(Ring, lambda ring: (Ring, (list(ring.items),)))


def make_world():
    users = [User(number) for number in range(60)]
    for i, user in enumerate(users):
        user.friends = [users[(i * k + 1) % len(users)] for k in range(1, 5)]
    return {
        "users": users,
        "sessions": [Session(users[n % len(users)], n) for n in range(160)],
        "rings": [Ring(range(n)) for n in range(20)],
        "raw": {n: bytes([n % 256]) * (n % 50) for n in range(80)},
        "seen": frozenset(range(300)),
    }


def weigh(world):
    weight = sum(len(s.cart) + int(sum(p.x for p in s.places)) for s in world["sessions"])
    weight += sum(friend.level.value for user in world["users"] for friend in user.friends)
    return weight + sum(sum(ring.items) for ring in world["rings"]) + sum(map(len, world["raw"].values()))


def run():
    world = make_world()
    checksum = 0
    for turn in range(140):
        protocol = 2 + turn % 4
        data = pickle.dumps(world, protocol)
        world = pickle.loads(data)
        checksum += weigh(world) + len(data)
    small = {"users": world["users"][:12], "sessions": world["sessions"][:25], "rings": [], "raw": {}}
    for protocol in (2, 3, 4, 5):
        out = io.BytesIO()
        pickle._Pickler(out, protocol).dump(small)  # the one in Python
        checksum += weigh(pickle._Unpickler(io.BytesIO(out.getvalue())).load())
    return checksum
