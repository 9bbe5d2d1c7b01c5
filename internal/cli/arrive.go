package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/event"
	"github.com/tlsfloor/tlsfloor/internal/fault"
	"github.com/tlsfloor/tlsfloor/internal/fetch"
	"github.com/tlsfloor/tlsfloor/internal/store"
)

const (
	smallFile = 64 << 20 // bytes at most of a list or a signature
	largeFile = 4 << 30  // bytes at most of an archive
)

// located returns the folder of the bundle that -from names, and the archive if it names one.
func (c *command) located(ctx context.Context, st *store.Store, work string, trust bundle.Trust) (dir, archive string, err error) {
	if publish.IsOCI(c.From) {
		if c.Offline {
			return "", "", fault.New(fault.Usage, "copy the folder here and install from that", "-from=%s: -offline was said", c.From)
		}
		dir := filepath.Join(work, "bundle")
		return dir, "", publish.Pull(ctx, c.From, dir, func(name string) bool { return unwanted(name, "") }, func(doing string) {
			c.sink.Emit(event.Event{Kind: event.Begin, Step: "fetch", Text: doing})
		})
	}
	if u, err := url.Parse(c.From); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		return c.download(ctx, u, st, filepath.Join(work, "bundle"), trust)
	}
	info, err := os.Stat(c.From)
	if err != nil {
		return "", "", fault.New(fault.Usage, "a bundle's tarball, its folder, or the https address of one of these", "-from: %w", err)
	}
	if info.IsDir() {
		return c.From, "", nil
	}
	return filepath.Dir(c.From), filepath.Base(c.From), nil
}

// download brings a bundle from the web: the lists first, and nothing more when nobody trusted has signed them; then all files that
// they name but for the archive in the other format.
func (c *command) download(ctx context.Context, u *url.URL, st *store.Store, dir string, trust bundle.Trust) (string, string, error) {
	if u.Scheme == "http" && trust.Unsigned {
		return "", "", fault.New(fault.BadSignature, "use https, or name the key of whoever signed it", "-from=%s: neither the connection nor a signature says whose it is", c.From)
	}
	if c.Offline {
		return "", "", fault.New(fault.Usage, "copy the folder here and install from that", "-from=%s: -offline was said", c.From)
	}
	archive := ""
	if strings.Contains(path.Base(u.Path), ".tar.") {
		archive, u.Path = path.Base(u.Path), path.Dir(u.Path)
	}
	f, err := fetch.New(st, fetch.Options{Sink: c.fetchSink})
	if err != nil {
		return "", "", err
	}
	get := func(sub, name string, limit int64, accept func(string) error) error {
		return f.Get(ctx, u.JoinPath(sub, name).String(), filepath.Join(dir, sub, name), limit, accept)
	}
	for _, sub := range []string{"", bundle.ProofDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return "", "", err
		}
		if err := c.downloadList(sub, archive, filepath.Join(dir, sub), trust, get); err != nil {
			return "", "", err
		}
	}
	return dir, archive, nil
}

func (c *command) downloadList(sub, archive, dir string, trust bundle.Trust, get func(sub, name string, limit int64, accept func(string) error) error) error {
	any := func(string) error { return nil }
	names := []string{bundle.Sums}
	if len(trust.Keys) > 0 {
		names = append(names, bundle.Sums+bundle.Signature)
	}
	for _, name := range names {
		if err := get(sub, name, smallFile, any); err != nil {
			return err
		}
	}
	sums, err := bundle.ReadSums(dir, trust)
	if err != nil {
		return fmt.Errorf("-from=%s: %w", c.From, err)
	}
	for name, want := range sums {
		if unwanted(name, archive) {
			continue
		}
		if err := get(sub, name, largeFile, sameAsListed(want)); err != nil {
			return err
		}
		if envelope := bundle.EnvelopeOf(name); envelope != "" && len(trust.Keys) > 0 {
			if err := get(sub, envelope, smallFile, any); err != nil {
				return err
			}
		}
	}
	return nil
}

// unwanted reports whether a file is an archive that is not going to be unpacked: another than the one that is named, or than the one
// that is unpacked fastest. The weak peers are wanted.
func unwanted(name, archive string) bool {
	switch {
	case !bundle.IsArchive(name) || strings.Contains(name, "-controls.tar."):
		return false
	case archive != "":
		return name != archive
	}
	return !strings.HasSuffix(name, ".tar.zst")
}

func sameAsListed(want digest.Digest) func(string) error {
	return func(path string) error {
		got, _, err := digest.OfFile(path)
		if err == nil && got != want {
			err = fmt.Errorf("sha256 %s, and %s is listed", got.Short(), want.Short())
		}
		return err
	}
}
