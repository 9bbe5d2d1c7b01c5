package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// place is somewhere that a file may be: a mirror, a canonical URL, a pool.
type place interface {
	String() string // for people, without credentials
	local() bool    // needs no network
	get(context.Context, *Fetcher, *wanted) error
}

// errAbsent says that a place does not have the file.
var errAbsent = errors.New("not there")

// places yields where w may be, in the order in which to ask.
func (f *Fetcher) places(ctx context.Context, w *wanted) iter.Seq[place] {
	return func(yield func(place) bool) {
		for _, m := range f.mirrors {
			if (m.local() || !f.o.Offline) && !yield(m) {
				return
			}
		}
		for _, raw := range w.urls {
			if !f.o.Offline && !yield(page(raw)) {
				return
			}
		}
		if w.pkg == "" || w.aptFile == "" {
			return
		}
		for _, p := range pools(f.apt(ctx), w.pkg, w.aptFile) {
			if (p.local() || !f.o.Offline) && !yield(p) {
				return
			}
		}
	}
}

// newMirror reads what a user named a mirror.
func newMirror(name string) (place, error) {
	if !strings.Contains(name, "://") && !strings.HasPrefix(name, "file:") {
		return newFolder(name)
	}
	const hint = "name a folder, or a file, http or https URL"
	u, err := parseURL(name)
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "mirror %s: %w", redact(name), err)
	}
	if u.Scheme != "file" {
		return site{u}, nil
	}
	if u.Host != "" && u.Host != "localhost" || u.Path == "" {
		return nil, fault.New(fault.Usage, hint, "mirror %s: a file URL without a path on this machine", redact(name))
	}
	return newFolder(u.Path)
}

func newFolder(dir string) (place, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fault.New(fault.Usage, "name a folder or file that is there", "mirror %s: no such file or folder", dir)
	}
	if err == nil && info.IsDir() {
		if inner := filepath.Join(dir, "sources"); isFile(filepath.Join(inner, "SHA256SUMS")) {
			dir = inner // what `vendor` has made, unpacked
		}
		return folder{dir: dir}, nil
	}
	if err != nil {
		return folder{dir: dir}, nil // which says why, for each file
	}
	why := ""
	if t := newTarball(dir); info.Mode().IsRegular() {
		if _, err = t.read(); err == nil {
			return t, nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			why = "; or it was cut off"
		}
	}
	return nil, fault.New(fault.Usage, "name the folder that holds the files, or a .tar file that `vendor` has made", "mirror %s: neither a folder nor a .tar file with sources%s", dir, why)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// parseURL reads a file, http or https URL. Its errors do not show it, for it may hold a password. A path
// with "//" or "." parts is cleaned: go-getter takes "//" for a subfolder, and some archives answer it with
// an error.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	switch u.Scheme {
	case "file":
		return u, nil
	case "http", "https":
	default:
		return nil, fmt.Errorf("unknown scheme %q", u.Scheme)
	}
	if u.Host == "" {
		return nil, errors.New("a URL without a host")
	}
	for _, key := range []string{"archive", "checksum"} {
		if u.Query().Has(key) {
			return nil, fmt.Errorf("a URL with the parameter %q, which has a meaning of its own to go-getter", key)
		}
	}
	return u.JoinPath(), nil
}

// folder is a folder of files; file, when set, is the only name to look for in it.
type folder struct{ dir, file string }

func (d folder) String() string { return filepath.Join(d.dir, d.file) }
func (folder) local() bool      { return true }

func (d folder) get(ctx context.Context, _ *Fetcher, w *wanted) error {
	names := w.names
	if d.file != "" {
		names = []string{d.file}
	}
	if _, err := os.Stat(d.dir); err != nil {
		return fmt.Errorf("no such folder or tarball: %w", errAbsent)
	}
	for _, name := range names {
		src, err := os.OpenFile(filepath.Join(d.dir, name), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for a writer
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer src.Close()
		return copyFile(ctx, src, w)
	}
	return fmt.Errorf("%w: neither %s", errAbsent, strings.Join(names, " nor "))
}

func copyFile(ctx context.Context, src *os.File, w *wanted) error {
	if info, err := src.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s: not a file", filepath.Base(src.Name())))
	}
	return copyFrom(ctx, src, w)
}

func copyFrom(ctx context.Context, src io.Reader, w *wanted) error {
	dst, err := os.Create(w.path)
	if err != nil {
		return err
	}
	defer dst.Close()
	buf := make([]byte, 1<<20)
	n, err := io.CopyBuffer(struct{ io.Writer }{dst}, io.LimitReader(contextReader{ctx, src}, w.limit+1), buf)
	if err != nil {
		return err
	}
	if n > w.limit {
		return tooLong(w.limit)
	}
	return dst.Close()
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// site is a mirror on the web.
type site struct{ base *url.URL }

func (s site) String() string { return redact(s.base.String()) }
func (site) local() bool      { return false }

func (s site) get(ctx context.Context, f *Fetcher, w *wanted) error {
	for _, name := range w.names {
		err := f.httpGet(ctx, s.base.JoinPath(url.PathEscape(name)), w)
		if !isGone(err) {
			return err
		}
	}
	return fmt.Errorf("%w: neither %s", errAbsent, strings.Join(w.names, " nor "))
}

// page is one file's URL.
type page string

func (p page) String() string { return redact(string(p)) }
func (page) local() bool      { return false }

func (p page) get(ctx context.Context, f *Fetcher, w *wanted) error {
	u, err := parseURL(string(p))
	if err != nil {
		return err
	}
	if u.Scheme == "file" {
		return errors.New("a file URL serves as a mirror only")
	}
	return f.httpGet(ctx, u, w)
}
