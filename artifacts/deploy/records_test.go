package deploy

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/turntest"
)

// plants is what the author of an image can put in the place of a file.
var plants = map[string]func(path, host string) error{
	"fifo":      func(path, _ string) error { return syscall.Mkfifo(path, 0o666) },
	"device":    func(path, _ string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o666, 1<<8|5) },
	"endless":   func(path, _ string) error { return os.Symlink("/dev/zero", path) },
	"host":      func(path, host string) error { return os.Symlink(host, path) },
	"directory": func(path, _ string) error { return os.Mkdir(path, 0o755) },
	"huge": func(path, _ string) error {
		return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<38))
	},
}

// readers is everything that only looks at a site, as status, verify, build and install do.
func readers(w world) {
	Profiles(w.Root, w.Base)
	Installed(w.Root, w.Base, w.Profile)
	w.Generations()
	w.Standing()
	w.Trust()
	for _, n := range []int{1, 2} {
		w.Stored(n)
		w.TrustAltered(n)
		for _, full := range []bool{true, false} {
			w.Altered(w.t.Context(), n, full)
		}
		g, err := w.Generation(n)
		if err != nil {
			g = Generation{Number: n}
		}
		w.DoubtProof(g)
		if names, _ := w.UserPackages(n); slices.Contains(names, "secret-1.0") {
			w.t.Errorf("a package of the machine's is listed: %v", names)
		}
	}
}

// soon says what hangs, as soon as something has not ended for a long time.
func soon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s: it does not end", what)
	}
}

// TestImageRecords plants each kind of thing in the place of each file that is read in an image: everything
// ends at once, and nothing of the machine's is read or changed.
func TestImageRecords(t *testing.T) {
	fault.Inject = nil
	places := []string{"", "p", "p/current", "p/1", "p/trust", "p/trust/trust.json", "p/trust/cert.pem",
		"p/lock", "p/package", "modulefiles", "modulefiles/python-p", "modulefiles/python-p/two"}
	for _, name := range []string{"", "generation.json", "index", "proof.json", VerdictFile, "openssl.tree",
		"python.tree", "other.tree", "openssl", "python", "python/bin", "python/bin/python", "python/lib",
		"python/lib/python3.9", "python/lib/python3.9/site-packages",
		"python/lib/python3.9/site-packages/x-1.dist-info",
		"python/lib/python3.9/site-packages/x-1.dist-info/RECORD",
		"python/lib/python3.9/site-packages/x.pth"} {
		places = append(places, filepath.Join("p/2", name))
	}
	host := t.TempDir()
	if err := os.MkdirAll(filepath.Join(host, "lib/python3.9/site-packages/secret-1.0.dist-info"),
		0o755); err != nil {
		t.Fatal(err)
	}
	before := listing(t, host)
	for _, kind := range slices.Sorted(maps.Keys(plants)) {
		for i, place := range places {
			if !turntest.Now(i) {
				continue
			}
			w := newWorld(t)
			w.Root, w.Base = t.TempDir(), "/opt"
			w.install("one")
			w.install("two")
			path := filepath.Join(w.Root, "opt/.tlsfloor", place)
			plant := func() error {
				err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Dir(path), 0o755))
				if err != nil {
					return err
				}
				return plants[kind](path, host)
			}
			err := plant()
			if errors.Is(err, syscall.EPERM) {
				break // who makes no devices unpacks no image that has one
			}
			what := kind + " at " + place
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			soon(t, what+": looking", func() { readers(w) })
			for _, name := range append(slices.Sorted(maps.Keys(writers)), "uninstall") {
				plant() // the one before may have made room for it
				soon(t, what+": "+name, func() { writers[name](w) })
			}
			if after := listing(t, host); after != before {
				t.Fatalf("%s: the machine's files were\n%sand are\n%s", what, before, after)
			}
		}
	}
}

// TestUserPackagesInImages lists an image's own packages, also where the image has links of its own.
func TestUserPackagesInImages(t *testing.T) {
	w := newWorld(t)
	w.Root, w.Base = t.TempDir(), "/opt"
	g := w.install("one")
	site := filepath.Join(w.Dir(g.Number), "python/lib/python3.9/site-packages")
	if err := errors.Join(os.MkdirAll(filepath.Join(site, "b-2.dist-info"), 0o755),
		os.MkdirAll(filepath.Join(site, "a-1-py3.9.egg-info"), 0o755)); err != nil {
		t.Fatal(err)
	}
	names, err := w.UserPackages(g.Number)
	if fmt.Sprint(names) != "[a-1 b-2]" || err != nil {
		t.Errorf("%v, %v", names, err)
	}
}
