"""A catalogue in XML: written with ElementTree, parsed, searched, changed; parsed again as events and by a SAX handler."""
import io
import xml.etree.ElementTree as ET
import xml.sax
from xml.dom import minidom

NS = {"c": "urn:example:catalogue", "p": "urn:example:price"}


def build(count):
    root = ET.Element("{urn:example:catalogue}catalogue", version="2")
    for number in range(count):
        book = ET.SubElement(root, "{urn:example:catalogue}book", id="b%d" % number, shelf=str(number % 12))
        ET.SubElement(book, "{urn:example:catalogue}title").text = "Title <%d> & more" % number
        for author in range(number % 3 + 1):
            ET.SubElement(book, "{urn:example:catalogue}author").text = "Author %d" % ((number + author) % 30)
        price = ET.SubElement(book, "{urn:example:price}price", currency="EUR" if number % 4 else "DKK")
        price.text = "%.2f" % (number * 1.7)
        price.tail = "\n  "
    return root


class Shelves(xml.sax.ContentHandler):
    def __init__(self):
        super().__init__()
        self.shelves, self.path, self.text = {}, [], []

    def startElement(self, name, attributes):
        self.path.append(name)
        if "shelf" in attributes:
            shelf = attributes["shelf"]
            self.shelves[shelf] = self.shelves.get(shelf, 0) + 1

    def characters(self, content):
        if self.path[-1].endswith("title"):
            self.text.append(content)

    def endElement(self, name):
        if self.path.pop() != name:
            raise ValueError(name)


def change(root):
    for book in root.findall("c:book", NS):
        price = book.find("p:price", NS)
        if price.get("currency") == "DKK":
            price.text = "%.2f" % (float(price.text) / 7.46)
            price.set("currency", "EUR")
        if len(book.findall("c:author", NS)) == 3:
            root.remove(book)
    return len(root)


def minimal(text):
    document = minidom.parseString(text)
    sizes = [len(node.firstChild.data) for node in document.getElementsByTagName("c:title")]
    return sum(sizes) + len(document.toprettyxml(indent=" "))


def run():
    for prefix, uri in NS.items():
        ET.register_namespace(prefix, uri)
    text = ET.tostring(build(2400), encoding="utf-8")
    checksum = len(text)
    for _ in range(3):
        root = ET.fromstring(text)
        checksum += change(root)
        total = sum(float(price.text) for price in root.iter("{urn:example:price}price"))
        checksum += int(total) + len(root.findall(".//c:book[@shelf='3']/c:author", NS))
        ends = 0
        for _, element in ET.iterparse(io.BytesIO(text), events=("end",)):
            if element.tag.endswith("book"):
                ends += len(element.attrib["id"])
                element.clear()
        checksum += ends + len(ET.tostring(root, encoding="unicode"))
        handler = Shelves()
        xml.sax.parseString(text, handler)
        checksum += handler.shelves["5"] + len("".join(handler.text))
    return checksum + minimal(ET.tostring(build(400), encoding="utf-8"))
