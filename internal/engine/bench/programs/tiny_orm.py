"""An object-relational mapper in small: metaclass, descriptors, query chains, a table in memory, unit of work."""
import operator


class Condition:
    def __init__(self, test, text):
        self.test, self.text = test, text

    def __and__(self, other):
        return Condition(lambda row: self.test(row) and other.test(row), "(%s and %s)" % (self.text, other.text))

    def __or__(self, other):
        return Condition(lambda row: self.test(row) or other.test(row), "(%s or %s)" % (self.text, other.text))

    def __invert__(self):
        return Condition(lambda row: not self.test(row), "not " + self.text)


class Field:
    def __init__(self, kind, default=None, check=None):
        self.kind, self.default, self.check = kind, default, check

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self if instance is None else instance.values.get(self.name, self.default)

    def __set__(self, instance, value):
        if value is not None and not isinstance(value, self.kind):
            value = self.kind(value)
        if self.check and not self.check(value):
            raise ValueError("%s: %r is not allowed" % (self.name, value))
        instance.values[self.name] = value
        instance.changed.add(self.name)

    def compare(self, symbol, function, other):
        name = self.name
        return Condition(lambda row: function(row[name], other), "%s %s %r" % (name, symbol, other))

    def __eq__(self, other):
        return self.compare("=", operator.eq, other)

    def __lt__(self, other):
        return self.compare("<", operator.lt, other)

    def __ge__(self, other):
        return self.compare(">=", operator.ge, other)

    __hash__ = object.__hash__


class Meta(type):
    def __new__(mcls, name, bases, body):
        cls = super().__new__(mcls, name, bases, body)
        cls.fields = {key: value for base in reversed(cls.__mro__) for key, value in vars(base).items() if isinstance(value, Field)}
        return cls


class Model(metaclass=Meta):
    id = Field(int)

    def __init__(self, **values):
        self.values, self.changed = {}, set()
        for name, value in values.items():
            if name not in self.fields:
                raise TypeError(name)
            setattr(self, name, value)

    def __repr__(self):
        return "<%s %s>" % (type(self).__name__, self.id)


class Person(Model):
    name = Field(str)
    age = Field(int, 0, lambda age: age >= 0)
    city = Field(str, "nowhere")


class Purchase(Model):
    person = Field(int)
    amount = Field(float, 0.0)


class Query:
    def __init__(self, session, model, conditions=(), order=None, count=None):
        self.session, self.model, self.conditions, self.order, self.count = session, model, conditions, order, count

    def where(self, *conditions):
        return Query(self.session, self.model, self.conditions + conditions, self.order, self.count)

    def order_by(self, field):
        return Query(self.session, self.model, self.conditions, field.name, self.count)

    def limit(self, count):
        return Query(self.session, self.model, self.conditions, self.order, count)

    def __iter__(self):
        rows = (row for row in self.session.tables[self.model].values() if all(c.test(row) for c in self.conditions))
        if self.order:
            rows = sorted(rows, key=operator.itemgetter(self.order, "id"))
        for number, row in enumerate(rows):
            if number == self.count:
                return
            yield self.session.load(self.model, row)


class Session:
    def __init__(self):
        self.tables, self.identities, self.new = {Person: {}, Purchase: {}}, {}, []

    def add(self, instance):
        self.new.append(instance)

    def load(self, model, row):
        key = model, row["id"]
        if key not in self.identities:
            instance = model(**row)
            instance.changed.clear()
            self.identities[key] = instance
        return self.identities[key]

    def commit(self):
        written = 0
        for instance in self.new:
            self.identities[type(instance), instance.id] = instance
            self.tables[type(instance)][instance.id] = {name: getattr(instance, name) for name in instance.fields}
            instance.changed.clear()
        self.new.clear()
        for (model, key), instance in self.identities.items():
            if instance.changed:
                self.tables[model][key].update({name: instance.values[name] for name in instance.changed})
                written += len(instance.changed)
                instance.changed.clear()
        return written


def run():
    checksum = 0
    session = Session()
    for n in range(1900):
        session.add(Person(id=n, name="p%d" % (n * 7919 % 1900), age=str(n % 90), city=["Rome", "Oslo", "Bern"][n % 3]))
        session.add(Purchase(id=n, person=n * 31 % 1900, amount=n % 250))
    session.commit()
    session.identities.clear()
    people = Query(session, Person)
    for age in range(0, 80, 5):
        some = people.where((Person.age >= age) & (Person.age < age + 10), ~(Person.city == "Oslo")).order_by(Person.name)
        checksum += sum(len(person.name) for person in some.limit(40))
        for person in people.where(Person.age == age):
            person.age += 1
            spent = sum(p.amount for p in Query(session, Purchase).where((Purchase.person == person.id) | (Purchase.amount >= 249)))
            checksum += int(spent)
        checksum += session.commit()
    try:
        Person(id=1, age=-1)
    except ValueError as error:
        checksum += len(str(error))
    return checksum, len((~(Person.age < 5) & (Person.name == "x")).text)
