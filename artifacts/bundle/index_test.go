package bundle

import (
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

func TestNamesThatLeadOut(t *testing.T) {
	d := digest.Of([]byte("a tree"))
	index := func() *Index {
		return &Index{Name: "tlsfloor-p", Floor: "1.2", OS: "linux", Arch: "x86_64", GLIBC: "2.35",
			Claim: artifacts.Claim{Profile: "p", Prefix: "/opt", Triple: "x86_64-linux-gnu",
				Components: map[string]artifacts.Claimed{"python": {Version: "3.13.15",
					Folder: "/opt/python-with-p", Output: d}}},
			Archives: []Archive{{File: "tlsfloor-p.tar.zst", SHA256: d, Bytes: 1}},
			Parts: map[string]Part{"python": {Version: "3.13.15", Output: d, Prefix: "/opt/python-with-p"},
				"zlib": {Prefix: "/deps/zlib"}}}
	}
	if err := index().plain(); err != nil {
		t.Fatal(err)
	}
	component := func(name string, c artifacts.Claimed) func(*Index) {
		return func(x *Index) {
			if c.Output.IsZero() && c.Folder != "" {
				c.Output = d
			}
			x.Claim.Components[name] = c
		}
	}
	archives := func(some ...Archive) func(*Index) {
		return func(x *Index) { x.Archives = append(x.Archives, some...) }
	}
	for name, spoil := range map[string]func(*Index){
		"name":                func(x *Index) { x.Name = "../x" },
		"no name":             func(x *Index) { x.Name = "" },
		"profile":             func(x *Index) { x.Claim.Profile = ".." },
		"component":           component("../python", artifacts.Claimed{Version: "1", Folder: "/opt/x"}),
		"folder":              component("x", artifacts.Claimed{Version: "1", Folder: "/opt/.."}),
		"folder elsewhere":    component("x", artifacts.Claimed{Version: "1", Folder: "/usr/x"}),
		"folder not joined":   component("x", artifacts.Claimed{Version: "1", Folder: "opt/x"}),
		"version":             component("x", artifacts.Claimed{Version: "../../../etc", Folder: "/opt/x"}),
		"no version":          component("x", artifacts.Claimed{Folder: "/opt/x"}),
		"a version that acts": component("x", artifacts.Claimed{Version: "1\x1b[2J", Folder: "/opt/x"}),
		"no tree": func(x *Index) {
			x.Claim.Components["x"] = artifacts.Claimed{Version: "1",
				Folder: "/opt/x"}
		},
		"part":               func(x *Index) { x.Parts["a/b"] = Part{Prefix: "/deps/a"} },
		"part's prefix":      func(x *Index) { x.Parts["zlib"] = Part{Prefix: "/deps/../etc"} },
		"part's version":     func(x *Index) { x.Parts["zlib"] = Part{Prefix: "/deps/zlib", Version: "1/2"} },
		"part's end of life": func(x *Index) { x.Parts["zlib"] = Part{Prefix: "/deps/zlib", EOL: "\n"} },
		"two versions": func(x *Index) {
			x.Parts["python"] = Part{Version: "3.13.14", Output: d,
				Prefix: "/opt/python-with-p"}
		},
		"hidden":              func(x *Index) { x.Claim.Profile = ".hidden" },
		"triple":              func(x *Index) { x.Claim.Triple = "x/y" },
		"optional set":        func(x *Index) { x.Claim.With = []string{"../x"} },
		"sysroot":             func(x *Index) { x.Claim.Sysroot = "a/../b" },
		"no floor":            func(x *Index) { x.Floor = "" },
		"another floor":       func(x *Index) { x.Floor = "0.9" },
		"no digest":           archives(Archive{File: "x.tar.zst", Bytes: 1}),
		"no size":             archives(Archive{File: "x.tar.zst", SHA256: d}),
		"archive leads out":   archives(Archive{File: "../../../etc/x.tar.zst", SHA256: d, Bytes: 1}),
		"archive is absolute": archives(Archive{File: "/etc/x.tar.zst", SHA256: d, Bytes: 1, Controls: true}),
		"no archive":          archives(Archive{File: "index.json", SHA256: d, Bytes: 1}),
		"archive twice":       archives(Archive{File: "tlsfloor-p.tar.zst", SHA256: d, Bytes: 1}),
		"a package too": func(x *Index) {
			x.Packages = []Archive{{File: "tlsfloor-p.tar.zst", SHA256: d,
				Bytes: 1}}
		},
		"a package leads out": func(x *Index) { x.Packages = []Archive{{File: "../x.deb", SHA256: d, Bytes: 1}} },
		"controls twice": archives(Archive{File: "a.tar.zst", SHA256: d, Bytes: 1, Controls: true},
			Archive{File: "b.tar.zst", SHA256: d, Bytes: 1, Controls: true}),
	} {
		x := index()
		spoil(x)
		if err := x.plain(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestAnIndexHasOneForm: what two readers could take for two things is refused.
func TestAnIndexHasOneForm(t *testing.T) {
	d := digest.Of([]byte("x"))
	x := &Index{Name: "n", Archives: []Archive{{File: "x.tar.zst", SHA256: d, Bytes: 1}}}
	text, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read := func(text []byte) error {
		x, err := parseIndex(text)
		if err == nil {
			err = x.written(text)
		}
		return err
	}
	if err := read(text); err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string][2]string{
		"a name twice":      {`"name": "n"`, `"name": "m", "name": "n"`},
		"other letters too": {`"name": "n"`, `"NAME": "m", "name": "n"`},
		"capital digits":    {d.String(), strings.ToUpper(d.String())},
		"an unknown name":   {`"name": "n"`, `"name": "n", "else": 1`},
		"a line more":       {"}\n", "}\n\n"},
	} {
		bad := strings.Replace(string(text), one[0], one[1], 1)
		if bad == string(text) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if err := read([]byte(bad)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSumsAreStrict(t *testing.T) {
	const d = "8a5edab282632443219e051e4ade2d1d5bbc671c781051bf1437897cbdfea0f1"
	if sums, err := parseSums([]byte(d + "  a\n" + d + "  b.tar.xz\n")); err != nil || len(sums) != 2 {
		t.Errorf("%v, %v", sums, err)
	}
	for name, text := range map[string]string{
		"empty": "", "no name": d + "\n", "one space": d + " a\n", "short": d[1:] + "  a\n",
		"a path": d + "  a/b\n", "up": d + "  ../a\n",
		"dot": d + "  .\n", "twice": d + "  a\n" + d + "  a\n", "itself": d + "  SHA256SUMS\n",
		"absolute":      d + "  /a\n",
		"its signature": d + "  SHA256SUMS.sig\n", "an envelope": d + "  provenance.dsse.json\n",
		"capitals":        strings.ToUpper(d) + "  a\n",
		"carriage return": d + "  a\r\n", "binary mode": d + " *a\n", "escaped": "\\" + d + "  a\\nb\n",
		"an option": d + "  -a\n",
		"an escape": d + "  a\x1b[2J\n", "a blank": d + "  a b\n", "no end": d + "  a",
		"an empty line": d + "  a\n\n", "a comment": "# a\n" + d + "  a\n",
		"too many": strings.Repeat(d+"  a\n", countLimit+1), "NUL": d + "  a\x00\n",
	} {
		if sums, err := parseSums([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, sums)
		}
	}
}
