package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// whole is everything that is done to an image, one after the other; each error is kept, as a later target
// may go on after it.
func whole(w world) error {
	ctx := w.t.Context()
	errs := []error{w.Ready(true)}
	unlock, err := w.Lock(ctx, nil)
	errs = append(errs, err)
	for _, text := range []string{"one", "two"} {
		g, err := w.Stage(ctx, FromStore(w.st), w.generation(text))
		if err == nil {
			_, err = w.SetTrust(Trust{Mode: "host", Anchors: anchor(w.t, cacerts.Site, text)})
		}
		if err == nil {
			_, err = w.Adopt(time.Unix(0, 0))
		}
		if err == nil {
			err = w.use(g)
		}
		errs = append(errs, err)
	}
	if n := w.Current(); n != 0 {
		altered, _, err := w.Altered(ctx, n, true)
		errs = append(errs, err, w.Repair(ctx, w.st, n, append(altered, "openssl/bin/openssl",
			"python/bin/python")), w.RepairTrust(n))
		_, err = w.UserPackages(n)
		errs = append(errs, err)
	}
	_, err = w.Rollback(0)
	errs = append(errs, err)
	site, err := Installed(w.Root, w.Base, w.Profile)
	errs = append(errs, err)
	if err == nil {
		_, err = site.Uninstall(ctx)
		errs = append(errs, err)
	}
	done(unlock)
	return errors.Join(errs...)
}

// TestImagesLeadNowhere has the author of an image put a link at each place where tlsfloor writes, to the
// machine's files.
func TestImagesLeadNowhere(t *testing.T) {
	places := []string{"opt", "opt/.tlsfloor", "opt/.tlsfloor/p", "opt/.tlsfloor/p/trust",
		"opt/.tlsfloor/p/trust/cert.pem", "opt/.tlsfloor/p/trust/trust.json", "opt/.tlsfloor/p/lock",
		"opt/.tlsfloor/p/1", "opt/.tlsfloor/p/2", "opt/.tlsfloor/p/1/generation.json",
		"opt/.tlsfloor/p/.new-1", "opt/.tlsfloor/p/.new-current", "opt/.tlsfloor/p/.new-adopt",
		"opt/.tlsfloor/p/current", "opt/.tlsfloor/modulefiles",
		"opt/.tlsfloor/modulefiles/python-p", "opt/.tlsfloor/modulefiles/python-p/one",
		"opt/openssl-with-p", "opt/python-with-p"}
	plain := newWorld(t)
	plain.Root, plain.Base = t.TempDir(), "/opt"
	if err := whole(plain); err != nil {
		t.Fatalf("without a link: %v", err)
	}
	for _, place := range places {
		for _, how := range []string{"absolute", "climbing", "two links"} {
			w, c, image := newWorld(t), newCanary(t), t.TempDir()
			w.Root, w.Base = image, "/opt"
			target := c.dir
			switch how {
			case "climbing":
				target = strings.Repeat("../", 40) + strings.TrimPrefix(c.dir, "/")
			case "two links":
				if err := os.Symlink(c.dir, filepath.Join(image, "second")); err != nil {
					t.Fatal(err)
				}
				target = "/second"
			}
			path := filepath.Join(image, place)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target,
				path)); err != nil {
				t.Fatal(err)
			}
			c.unharmed(t, fmt.Sprintf("a link at %s (%s): %v", place, how, whole(w)))
		}
	}
}

// TestImageLinksMeanTheImage installs where an image's links lead, as the image's own programs would find it.
func TestImageLinksMeanTheImage(t *testing.T) {
	for name, target := range map[string]string{"absolute": "/data/opt", "relative": "data/opt",
		"above the image": "../../../../data/opt"} {
		w, image := newWorld(t), t.TempDir()
		w.Root, w.Base = image, "/opt"
		if err := os.Symlink(target, filepath.Join(image, "opt")); err != nil {
			t.Fatal(err)
		}
		if err := w.Ready(false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.install("one")
		if _, err := w.SetTrust(Trust{Mode: "host", Anchors: anchor(t, cacerts.Site, "ours")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, file := range []string{"openssl-with-p/bin/openssl", "openssl-with-p/ssl/cert.pem",
			"python-with-p/bin/python"} {
			if _, err := os.Stat(filepath.Join(image, "data/opt", file)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.Rollback(9); err == nil {
			t.Errorf("%s: nothing is read", name)
		}
		if left, err := w.Uninstall(t.Context()); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// TestImageThatCannotBeResolved has links in a circle: there is no folder, and an error.
func TestImageThatCannotBeResolved(t *testing.T) {
	w, image := newWorld(t), t.TempDir()
	w.Root, w.Base = image, "/opt"
	if err := errors.Join(os.Symlink("/b", filepath.Join(image, "opt")), os.Symlink("/opt",
		filepath.Join(image, "b"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Ready(false); err == nil || fault.HintOf(err) == "" {
		t.Errorf("ready: %v", err)
	}
	if unlock, err := w.Lock(t.Context(), nil); err == nil {
		unlock()
		t.Error("it is locked")
	}
}
