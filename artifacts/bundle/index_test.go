package bundle

import (
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts"
)

func TestNamesThatLeadOut(t *testing.T) {
	index := func() *Index {
		return &Index{Name: "tlsfloor-p", Claim: artifacts.Claim{Profile: "p", Prefix: "/opt", Components: map[string]artifacts.Claimed{"python": {Folder: "/opt/python-with-p"}}},
			Parts: map[string]Part{"python": {Prefix: "/opt/python-with-p"}, "zlib": {Prefix: "/deps/zlib"}}}
	}
	if err := index().plain(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Index){
		"name":              func(x *Index) { x.Name = "../x" },
		"no name":           func(x *Index) { x.Name = "" },
		"profile":           func(x *Index) { x.Claim.Profile = ".." },
		"component":         func(x *Index) { x.Claim.Components["../python"] = artifacts.Claimed{Folder: "/opt/x"} },
		"folder":            func(x *Index) { x.Claim.Components["x"] = artifacts.Claimed{Folder: "/opt/.."} },
		"folder elsewhere":  func(x *Index) { x.Claim.Components["x"] = artifacts.Claimed{Folder: "/usr/x"} },
		"folder not joined": func(x *Index) { x.Claim.Components["x"] = artifacts.Claimed{Folder: "opt/x"} },
		"part":              func(x *Index) { x.Parts["a/b"] = Part{Prefix: "/deps/a"} },
		"part's prefix":     func(x *Index) { x.Parts["zlib"] = Part{Prefix: "/deps/../etc"} },
		"hidden":            func(x *Index) { x.Claim.Profile = ".hidden" },
	} {
		x := index()
		spoil(x)
		if err := x.plain(); err == nil {
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
		"empty": "", "no name": d + "\n", "one space": d + " a\n", "short": d[1:] + "  a\n", "a path": d + "  a/b\n", "up": d + "  ../a\n", "dot": d + "  .\n", "twice": d + "  a\n" + d + "  a\n", "itself": d + "  SHA256SUMS\n", "absolute": d + "  /a\n",
	} {
		if sums, err := parseSums([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, sums)
		}
	}
}
