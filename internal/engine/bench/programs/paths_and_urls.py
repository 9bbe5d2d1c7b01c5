"""Paths and addresses: joined, resolved, split, matched, quoted, sorted into trees."""
import fnmatch
import ipaddress
import posixpath
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

BASE = "https://user@example.org:8443/shop/items/list.html?page=2#top"
LINKS = ["../cart", "detail.html?id=%d", "/about/", "//cdn.example.net/lib/%d.js", "?page=%d&sort=name", "#row%d", "mailto:shop@example.org",
         "./img/../img/%d.png", "https://other.example/a%%20b/%d?q=caf\u00e9"]
IGNORED = ["*.pyc", "build/*", "*/node_modules/*", ".git/*", "**/tmp-?[0-9]*"]


def normal(url):
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.port and (parts.scheme, parts.port) != ("https", 443):
        host += ":%d" % parts.port
    query = urlencode(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    return urlunsplit((parts.scheme.lower(), host, quote(unquote(parts.path)) or "/", query, ""))


def crawl(count):
    seen, queue = set(), [BASE]
    while queue and len(seen) < count:
        page = queue.pop(0)
        for number, link in enumerate(LINKS):
            url = urljoin(page, link % (len(seen) + number) if "%d" in link else link)
            if url.startswith("http"):
                url = normal(url)
                if url not in seen:
                    seen.add(url)
                    queue.append(url)
    return seen


def files(count):
    root = PurePosixPath("/srv/project")
    for n in range(count):
        folder = root / ("part%d" % (n % 9)) / ["src", "build", "docs", "node_modules"][n % 4]
        yield (folder / ("file-%d.tar.gz" % n)).with_suffix([".py", ".pyc", ".txt", ".md"][n // 4 % 4])


def tree(paths):
    top = {}
    for path in paths:
        level = top
        for part in path.parts[1:]:
            level = level.setdefault(part, {})
    return top


def depth(level):
    return 1 + max((depth(child) for child in level.values()), default=0)


def relative(path, start):
    return posixpath.normpath(posixpath.join(posixpath.relpath(str(path), start), "..", path.name))


def run():
    seen = crawl(1500)
    checksum = sum(map(len, seen)) + len({urlsplit(url).netloc for url in seen})
    checksum += sum(len(parse_qs(urlsplit(url).query)) for url in seen)
    paths = list(files(2400))
    kept = [path for path in paths if not any(fnmatch.fnmatch(str(path.relative_to("/srv/project")), pattern) for pattern in IGNORED)]
    checksum += len(kept) + depth(tree(paths))
    for path in kept:
        checksum += len(path.suffix) + len(path.stem) + len(path.parents) + path.match("docs/*.md")
        checksum += len(relative(path, "/srv/project/part4/src/deep")) + len(path.parent.as_uri())
        windows = PureWindowsPath("C:\\", *path.parts[1:])
        checksum += len(windows.as_posix()) + (windows == PureWindowsPath(str(windows).upper()))
    order = sorted(paths, reverse=True)
    nets = [ipaddress.ip_network("10.%d.0.0/%d" % (n, 16 + n % 9)) for n in range(60)]
    for n in range(1200):
        address = ipaddress.ip_address("10.%d.%d.7" % (n % 70, n % 5))
        checksum += sum(address in net for net in nets[n % 60:n % 60 + 8])
    return checksum, order[0].name, [str(net) for net in ipaddress.collapse_addresses(nets)][-1]
