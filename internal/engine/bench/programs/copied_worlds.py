"""Game worlds are copied, changed and compared: deepcopy, copy, replace, equality of dataclasses."""
import copy
import dataclasses
from dataclasses import dataclass, field
from typing import Dict, List, Optional


@dataclass(frozen=True, order=True)
class Place:
    x: int
    y: int

    def moved(self, dx, dy):
        return dataclasses.replace(self, x=(self.x + dx) % 20, y=(self.y + dy) % 20)


@dataclass
class Item:
    name: str
    weight: float
    tags: List[str] = field(default_factory=list)


@dataclass
class Creature:
    name: str
    place: Place
    health: int = 10
    bag: List[Item] = field(default_factory=list)
    target: Optional["Creature"] = field(default=None, repr=False, compare=False)


@dataclass
class World:
    turn: int
    creatures: List[Creature]
    ground: Dict[Place, List[Item]]
    memo: dict = field(default_factory=dict, compare=False, repr=False)

    def __deepcopy__(self, known):
        return World(self.turn, copy.deepcopy(self.creatures, known), copy.deepcopy(self.ground, known), {})


def make_world():
    creatures = []
    for n in range(30):
        bag = [Item("item%d" % k, k * 0.5, ["heavy"] if k > 2 else []) for k in range(n % 5)]
        creatures.append(Creature("c%d" % n, Place(n * 3 % 20, n * 7 % 20), 10 + n, bag))
    for n, creature in enumerate(creatures):
        creature.target = creatures[(n * 5 + 1) % len(creatures)]
    ground = {Place(n, n * n % 20): [Item("stone", 2.0, ["grey", "old"])] for n in range(12)}
    return World(0, creatures, ground)


def step(world):
    world.turn += 1
    for creature in world.creatures:
        goal = creature.target.place
        dx = (goal.x > creature.place.x) - (goal.x < creature.place.x)
        dy = (goal.y > creature.place.y) - (goal.y < creature.place.y)
        creature.place = creature.place.moved(dx, dy)
        if creature.place == goal and creature.target is not creature:
            creature.target.health -= 1
        for item in world.ground.pop(creature.place, []):
            creature.bag.append(copy.copy(item))
    return world


def run():
    world = make_world()
    history = []
    for _ in range(330):
        before = copy.deepcopy(world)
        history.append(before)
        step(world)
        if before == world:
            raise AssertionError("a step changes nothing")
    again = copy.deepcopy(history[100])
    for _ in range(4):
        step(again)
    same = again == history[104]
    stones = [dataclasses.asdict(item) for items in history[5].ground.values() for item in items]
    picture = repr(history[-1]) + repr(stones)
    order = sorted({creature.place for old in history for creature in old.creatures})
    return same, len(picture), len(order), order[5], [creature.health for creature in world.creatures]
