package fetch

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// AptSource says where the host's own apt configuration fetches from.
type AptSource interface {
	// Bases returns the base URIs of the archives, such as "http://archive.example/debian/", most wanted
	// first.
	Bases(context.Context) ([]string, error)
}

// HostApt asks apt-get, which needs no root for it and is kept from writing its caches. A host without
// apt-get has no bases.
type HostApt struct {
	// a colon-separated list of folders where it is looked for; the zero value stands for the system's
	Path string
}

// Bases implements AptSource.
func (h HostApt) Bases(ctx context.Context) ([]string, error) {
	program := owned.Program(h.Path, "apt-get")
	if program == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
		"indextargets", "--format", "$(REPO_URI)")
	cmd.WaitDelay = time.Second
	cmd.Env, cmd.Dir = owned.Environment(), "/"
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking apt-get for its archives: %w", err)
	}
	return strings.Fields(string(bytes.TrimSpace(out))), nil
}

// aptBases returns a function that asks the AptSource at most once, and not before a source needs it.
func (f *Fetcher) aptBases() func(context.Context) []string {
	var once sync.Once
	var bases []string
	return func(ctx context.Context) []string {
		once.Do(func() {
			if f.o.Apt == nil {
				return
			}
			var err error
			if bases, err = f.o.Apt.Bases(ctx); err != nil {
				f.o.Sink.Note("no apt mirror: " + reason(err))
			}
		})
		return bases
	}
}

// pools returns where file of the source package pkg is on each archive. The pool is shared by all suites of
// an archive, those that the host has not enabled too. A security archive has its own below pool/updates.
func pools(bases []string, pkg, file string) (all []place) {
	var seen []string
	for _, base := range bases {
		u, err := parseURL(strings.TrimRight(base, "/"))
		if err != nil || slices.Contains(seen, u.String()) {
			continue // cdrom:, mirror+file: and their kin have no pool to look into
		}
		seen = append(seen, u.String())
		pool := "pool/main"
		if strings.HasSuffix(u.Path, "-security") {
			pool = "pool/updates/main"
		}
		dir := []string{pool, poolPrefix(pkg), pkg}
		if u.Scheme == "file" {
			all = append(all, folder{filepath.Join(u.Path, filepath.Join(dir...)), file})
			continue
		}
		all = append(all, page(u.JoinPath(append(dir, url.PathEscape(file))...).String()))
	}
	return all
}

// poolPrefix is the pool's folder above a package's (Debian: "lib" and the next letter for libraries, else
// the first letter).
func poolPrefix(pkg string) string {
	if strings.HasPrefix(pkg, "lib") && len(pkg) > 3 {
		return pkg[:4]
	}
	return pkg[:1]
}
