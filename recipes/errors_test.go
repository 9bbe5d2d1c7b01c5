package recipes

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// thing is a component without fault; the tables below plant one each.
const thing = `name: thing
role: library
summary: a thing
license: MIT
homepage: https://example.org/
needs: [zlib]
versions:
  - version: "1.10"
    eol: 2030-01-31
    sources:
      - file: thing-1.10.tar.gz
        sha256: 60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb
        size: 10
        urls: [https://example.org/thing-1.10.tar.gz]
        apt: {package: thing, file: thing_1.10.orig.tar.gz}
        signature:
          file: thing-1.10.tar.gz.asc
          urls: [https://example.org/thing-1.10.tar.gz.asc]
          key: BA5473A2B0587B07FB27CF2D216094DFD0CB81EF
configure:
  - arg: --prefix={prefix}
    why: it is compiled in
    when: ">=1.0, <2"
    floor: "1.2"
env:
  - name: CFLAGS
    value: -I{dep:zlib}/include
    why: ours
files:
  - path: conf/local
    content: |
      jobs={jobs}
    why: ours
build:
  - run: [make, "-j{jobs}"]
install:
  - run: [make, install, "DESTDIR={dest}"]
checks: []
`

const ours = `name: ours
summary: our own
floor: "1.2"
versions: {openssl: 3.5.7, python: 3.13.15, zlib: 1.3.1, thing: "1.10"}
prefixes: {openssl: o, python: p}
controls: [openssl-weak]
optimize: none
`

func TestThingIsWithoutFault(t *testing.T) {
	load(t, folder(t, map[string]string{"thing.yaml": thing, "profiles/ours.yaml": ours}))
}

// Each row replaces one text of thing.yaml (or ours.yaml) and names where the error must point and what
// it must say.
var planted = []struct{ file, old, new, at, want string }{
	{"thing", "role: library", "rolle: library", "2:1", `unknown field "rolle"`},
	{"thing", "role: library", "role: librarian", "2:7", `role "librarian" is not known`},
	{"thing", "role: library\n", "", "1:1", "role is missing"},
	{"thing", "summary: a thing", "summary: [a]", "3:10", "cannot unmarshal"},
	{"thing", "summary: a thing", "summary: 3.10", "3:10", "not plain text"},
	{"thing", "summary: a thing", "summary:", "3:9", "summary has no value"},
	{"thing", "summary: a thing", "summary: &a thing", "3:10", "not plain text"},
	{"thing", "summary: a thing", "summary: true", "3:10", "not plain text"},
	{"thing", "summary: a thing", "1: a thing", "3:1", "is not text"},
	{"thing", "license: MIT", "license: MIT\nlicense: BSD", "5:1", "already defined"},
	{"thing", "license: MIT", "license: \"\"", "4:10", "license is missing"},
	{"thing", "https://example.org/\n", "ftp://example.org/\n", "5:11", "no such address"},
	{"thing", "name: thing", "name: thong", "1:7", `name "thong" in the file thing.yaml`},
	{"thing", "name: thing", "name: Thing", "1:7", `name "Thing" is malformed`},
	{"thing", "[zlib]", "[zlob]", "6:9", `need "zlob" is not known`},
	{"thing", "[zlib]", "[zlib, openssl-weak]", "6:15", `need "openssl-weak" is not known`},
	{"thing", "[zlib]", "zlib", "6:8", "sequence is expected"},
	{"thing", "[zlib]", "[zlib, thing]", "6:15", "needs in a circle: thing -> thing"},
	{"thing", "[zlib]", "[{component: zlob, optimize: pgo}]", "6:10", `need "zlob" is not known`},
	{"thing", "[zlib]", "[{component: zlib, optimise: pgo}]", "6:27", `unknown field "optimise"`},
	{"thing", "[zlib]", "[{optimize: pgo}]", "6:10", "component is missing"},
	{"thing", "[zlib]", "[python-profile]", "6:9", `need "python-profile" is another's training`},
	{"thing", `floor: "1.2"`, "optimize: lto", "24:15", `optimize "lto" is not known`},
	{"thing", "content: |\n      jobs={jobs}", "from: nothing.txt", "31:11", "nothing.txt: no such file"},
	{"thing", "content: |\n      jobs={jobs}", "from: nothing/", "31:11", `folder "nothing/" holds nothing`},
	{"thing", "content: |", "from: thing.yaml\n    content: |", "32:14", "content beside from"},
	{"thing", "content: |\n      jobs={jobs}", "from: ../thing.yaml", "31:11", "invalid"},
	{"thing", `- run: [make, "-j{jobs}"]`, "- run: [make]\n    memory: 2 GB", "36:13", `memory "2 GB" is malformed`},
	{"thing", "build:\n", "train: [{run: [make]}]\nbuild:\n", "34:8", "train is missing, or out of place"},
	{"thing", "role: library", "role: training", "1:1", "role training without like"},
	{"thing", "role: library", "role: data", "2:7", "data is not built"},
	{"thing", "[zlib]", "[mozilla-ca]", "6:9", `need "mozilla-ca" is not known`},
	{"thing", "env:\n", "make:\n  - {arg: A=1}\nenv:\n", "26:6", "why is missing"},
	{"thing", "env:\n", "make:\n  - {arg: A=1, why: x}\n  - {arg: A=1, why: y}\nenv:\n", "1:1", "argument A=1 is given twice"},
	{"thing", `version: "1.10"`, "version: 1.10", "8:14", "not plain text"},
	{"thing", `version: "1.10"`, `version: "v1"`, "8:14", `version "v1"`},
	{"thing", "eol: 2030-01-31", "eol: 2030-02-31", "9:10", `eol "2030-02-31" is no date`},
	{"thing", "eol: 2030-01-31", "eol: 31.1.2030", "9:10", "is no date"},
	{"thing", "file: thing-1.10.tar.gz\n", "file: ../thing.tar.gz\n", "11:15", `file "../thing.tar.gz" is malformed`},
	{"thing", "        sha256: 60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb\n", "", "11:9", "sha256 is missing"},
	{"thing", "60dd315c07f6", "60dd", "12:17", "want 64 hexadecimal digits"},
	{"thing", "60dd315c07f6", "60dd315c07fx", "12:17", "invalid byte"},
	{"thing", "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb", strings.Repeat("0", 62) + "\"", "12:17", "want 64"},
	{"thing", "60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb", `"` + strings.Repeat("0", 64) + `"`, "12:17", "sha256 is zero"},
	{"thing", "        size: 10\n", "", "11:9", "size is missing"},
	{"thing", "size: 10", "size: -1", "13:15", "not positive"},
	{"thing", "size: 10", "size: 1.5", "13:15", "not plain text"},
	{"thing", "size: 10", `size: "10"`, "13:15", "not a number of bytes"},
	{"thing", "urls: [https://example.org/thing-1.10.tar.gz]", "urls: [file:///thing.tar.gz]", "14:16", "no such address"},
	{"thing", "urls: [https://example.org/thing-1.10.tar.gz]", "urls: [\"https://a:b@example.org/x\"]", "14:16", "no such address"},
	{"thing", "package: thing", "package: Thing", "15:24", "malformed"},
	{"thing", "signature:\n          file: thing-1.10.tar.gz.asc\n          urls: [https://example.org/thing-1.10.tar.gz.asc]\n          key: BA5473A2B0587B07FB27CF2D216094DFD0CB81EF", "vouched: me", "11:9", "signature is missing"},
	{"thing", "signature:\n          file: thing-1.10.tar.gz.asc\n          urls: [https://example.org/thing-1.10.tar.gz.asc]\n          key: BA5473A2B0587B07FB27CF2D216094DFD0CB81EF", "signature: none\n        vouched: me", "11:9", "unsigned is missing"},
	{"thing", "signature:\n          file: thing-1.10.tar.gz.asc\n          urls: [https://example.org/thing-1.10.tar.gz.asc]\n          key: BA5473A2B0587B07FB27CF2D216094DFD0CB81EF", "signature: none\n        unsigned: so it is", "11:9", "vouched is missing"},
	{"thing", "signature:\n          file: thing-1.10.tar.gz.asc\n          urls: [https://example.org/thing-1.10.tar.gz.asc]\n          key: BA5473A2B0587B07FB27CF2D216094DFD0CB81EF", "signature: later", "16:20", `signature "later" is not known`},
	{"thing", "          urls: [https://example.org/thing-1.10.tar.gz.asc]\n", "", "17:11", "no place to fetch signature from"},
	{"thing", "          key: BA5473A2B0587B07FB27CF2D216094DFD0CB81EF", "          key: ba5473a2", "19:16", "malformed"},
	{"thing", "          key: BA5473", "          key: AA5473", "19:16", "is not among the keys"},
	{"thing", "          key: BA5473", "          keys: BA5473", "19:11", `unknown field "keys"`},
	{"thing", "        signature:\n", "        unsigned: no\n        signature:\n", "16:19", "unsigned beside a signature"},
	{"thing", "        size: 10\n", "        size: 10\n        why: no\n", "14:14", "out of place"},
	{"thing", "    why: it is compiled in\n", "", "21:5", "why is missing"},
	{"thing", "why: it is compiled in", `why: " "`, "22:10", "why is missing"},
	{"thing", ">=1.0, <2", ">=1.0 <2", "23:11", "version constraint"},
	{"thing", `floor: "1.2"`, `floor: "1.1"`, "24:12", `floor "1.1" is not known`},
	{"thing", `floor: "1.2"`, "floor: 1.2", "24:12", "not plain text"},
	{"thing", "--prefix={prefix}", "--prefix={prefx}", "21:10", "{prefx} is no placeholder"},
	{"thing", "{dep:zlib}", "{dep:openssl}", "27:12", "openssl is not among the needs"},
	{"thing", "{dep:zlib}", "{path:zlib}", "27:12", "{path:zlib} is no placeholder"},
	{"thing", "name: CFLAGS", "name: c-flags", "26:11", "malformed"},
	{"thing", "env:\n", "env:\n  - {name: CFLAGS, value: x, why: y}\n", "1:1", "variable CFLAGS is given twice"},
	{"thing", "path: conf/local", "path: ../conf", "30:11", "leads elsewhere"},
	{"thing", "path: conf/local", "path: /etc/conf", "30:11", "leads elsewhere"},
	{"thing", "jobs={jobs}", "jobs={job}", "31:14", "{job} is no placeholder"},
	{"thing", `[make, "-j{jobs}"]`, "[]", "35:10", "run is empty"},
	{"thing", `[make, "-j{jobs}"]`, `[make, "x{configure}"]`, "35:17", "{configure} is no placeholder"},
	{"thing", `[make, "-j{jobs}"]`, "make", "35:10", "sequence is expected"},
	{"thing", `install:` + "\n" + `  - run: [make, install, "DESTDIR={dest}"]`, "", "1:1", "install is missing"},
	{"thing", "checks: []", "checks: [luck]", "38:10", `check "luck" is not known`},
	{"thing", "checks: []", "checks: []\n---\nname: other", "40:1", "a second document"},
	{"thing", "checks: []", "checks: [", "38:9", "sequence end"},
	{"thing", thing, "# nothing\n", "1:1", "the file is empty"},
	{"thing", thing, "- name: thing\n", "1:1", "mapping is expected"},
	{"thing", "role: library", "role: library\nlike: zlib", "3:7", "like with role library"},
	{"thing", "role: library", "role: control", "1:1", "role control without like"},
	{"thing", "role: library", "role: control\nlike: nothing", "3:7", "no such component"},
	{"thing", "role: library", "role: control\nlike: zlib", "9:3", "versions beside like"},

	{"profiles/ours", "summary: our own", "sumary: our own", "2:1", `unknown field "sumary"`},
	{"profiles/ours", `floor: "1.2"`, `floor: "1.1"`, "3:8", `floor "1.1" is not known`},
	{"profiles/ours", `floor: "1.2"` + "\n", "", "1:1", `floor "" is not known`},
	{"profiles/ours", "openssl: 3.5.7", "openssl: 3.5.0", "4:21", "openssl 3.5.0 is not known"},
	{"profiles/ours", "openssl: 3.5.7", "opensl: 3.5.7", "4:20", "component opensl is not known"},
	{"profiles/ours", "openssl: 3.5.7, ", "", "4:20", "python 3.13.15 needs openssl"},
	{"profiles/ours", `thing: "1.10"`, "openssl-weak: 3.5.7", "4:72", "component openssl-weak is not known"},
	{"profiles/ours", `thing: "1.10"`, `mozilla-ca: "20250419"`, "4:70", "mozilla-ca is data and not built"},
	{"profiles/ours", "openssl: o, ", "", "5:12", "openssl is installed and has no prefix"},
	{"profiles/ours", "openssl: o,", "openssl: o/../x,", "5:21", "is not the name of a folder"},
	{"profiles/ours", "python: p", "python: o", "5:32", `prefix "o" of python is also openssl's`},
	{"profiles/ours", "python: p", "python: p, zlib: z", "5:41", "prefix for zlib"},
	{"profiles/ours", "[openssl-weak]", "[zlib]", "6:12", "zlib is no control"},
	{"profiles/ours", "[openssl-weak]", "[openssl-weak, openssl-weak]", "6:26", "listed twice"},
	{"profiles/ours", "optimize: none", "optimize: fast", "7:11", `optimize "fast" is not known`},
	{"profiles/ours", "name: ours", "name: yours", "1:7", "in the file ours.yaml"},
}

func TestErrorsNameFileLineAndColumn(t *testing.T) {
	for _, c := range planted {
		files := map[string]string{"thing.yaml": thing, "profiles/ours.yaml": ours}
		name := c.file + ".yaml"
		if strings.Count(files[name], c.old) == 0 {
			t.Fatalf("%q is not in %s", c.old, name)
		}
		files[name] = strings.Replace(files[name], c.old, c.new, 1)
		dir := folder(t, files)
		_, err := Load(dir)
		want := filepath.Join(dir, name) + ":" + c.at + ": "
		switch {
		case err == nil:
			t.Errorf("%q for %q: no error", c.new, c.old)
		case !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%q for %q:\ngot  %v\nwant %s... %s", c.new, c.old, err, want, c.want)
		case fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "":
			t.Errorf("%q: code %d, hint %q", c.new, fault.CodeOf(err), fault.HintOf(err))
		}
	}
}

func TestNeedsInACircle(t *testing.T) {
	a := strings.Replace(thing, "[zlib]", "[zlib, other]", 1)
	b := strings.Replace(strings.Replace(thing, "[zlib]", "[zlib, thing]", 1), "name: thing", "name: other", 1)
	_, err := Load(folder(t, map[string]string{"thing.yaml": a, "other.yaml": b}))
	if err == nil || !strings.Contains(err.Error(), "thing.yaml:6:15: needs in a circle: other -> thing -> other") {
		t.Errorf("got %v", err)
	}
}

func TestVersionListedTwice(t *testing.T) {
	_, list, _ := strings.Cut(thing, "versions:\n")
	list, _, _ = strings.Cut(list, "configure:")
	_, err := Load(folder(t, map[string]string{"thing.yaml": strings.Replace(thing, "configure:", list+"configure:", 1)}))
	if err == nil || !strings.Contains(err.Error(), "thing.yaml:20:14: version 1.10 is listed twice") {
		t.Errorf("got %v", err)
	}
}

func TestAlternativesSayWhy(t *testing.T) {
	alternative := `        alternatives:
          - file: thing.orig.tar.gz
            sha256: 70dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb
            size: 9
            apt: {package: thing, file: thing.orig.tar.gz}
            signature: none
            unsigned: repacked
            vouched: somebody
`
	with := func(text string) string { return strings.Replace(thing, "configure:", text+"configure:", 1) }
	_, err := Load(folder(t, map[string]string{"thing.yaml": with(alternative)}))
	if err == nil || !strings.Contains(err.Error(), "thing.yaml:21:13: why is missing") {
		t.Errorf("got %v", err)
	}
	s := load(t, folder(t, map[string]string{"thing.yaml": with(alternative + "            why: repacked\n")}))
	if got := s.components["thing"].versions["1.10"].Sources[0].Alternatives; len(got) != 1 || got[0].Why != "repacked" || got[0].Signature != nil {
		t.Errorf("got %+v", got)
	}
}

var located = regexp.MustCompile(`^[^:]+:[0-9]+:[0-9]+: .`)

// Whatever a file holds, it is either a component or an error that names a line.
func FuzzComponent(f *testing.F) {
	f.Add([]byte(thing))
	for _, name := range []string{"openssl", "openssl-weak", "python", "zlib"} {
		data, err := embedded.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"", "---\n---\n", "name: &a [*a]\n", "name: !!binary x\n", "<<: {name: x}\n", "? [a]\n: b\n", "versions: [{sources: [{signature: {}}]}]\n", "name: |\n", "\t", "{", "versions: [{sources: [{signature: [}]}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseComponent(embedded, "thing", "thing.yaml", data)
		if err != nil && !located.MatchString(err.Error()) {
			t.Errorf("an error without line and column: %v", err)
		}
		if err == nil && c.name != "thing" {
			t.Errorf("component %q from thing.yaml", c.name)
		}
	})
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(ours))
	f.Add([]byte("name: ours\nfloor: 1.2\n"))
	f.Add([]byte("versions: {a: {b: c}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseProfile("ours", "ours.yaml", data); err != nil && !located.MatchString(err.Error()) {
			t.Errorf("an error without line and column: %v", err)
		}
	})
}
