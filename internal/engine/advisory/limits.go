package advisory

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// limits bounds what is read. What osv.dev publishes of all ecosystems stays below it: some 700,000
// advisories, of which the largest has 5 MiB and 50,000 values.
type limits struct {
	file      int64 // bytes of one advisory
	values    int   // objects, lists, strings, numbers in one advisory: some 150 bytes of memory each
	depth     int   // objects and lists within each other
	files     int   // advisories, and whatever else stands there
	read      int64 // bytes of all advisories
	kept      int64 // bytes of memory, about, of those that may speak of a component
	directory int64 // bytes of a .zip's list of files, each of which takes five times as many in memory
}

var defaults = limits{file: 16 << 20, values: 200_000, depth: 32, files: 2_000_000, read: 16 << 30, kept: 1 << 30, directory: 128 << 20}

const (
	hintLarge = "that is no database of advisories; take the files of the ecosystems that matter, such as OSS-Fuzz and Bitnami, one by one"

	// What these take in memory beside their bytes, about.
	objectSize = 200
	textSize   = 24
)

// reader reads a database within the limits.
type reader struct {
	limits
	where string
	n     int   // files
	bytes int64 // of all advisories so far
	cost  int64 // of what is kept
	db    Database
}

// folder reads every *.json below a folder.
func (r *reader) folder() error {
	files := os.DirFS(r.where)
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = r.counted()
		}
		if err != nil || d.IsDir() || path.Ext(name) != ".json" {
			return err
		}
		info, err := fs.Stat(files, name) // a pipe would wait for somebody to write into it
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is no regular file")
		}
		if err != nil {
			return r.unread(name, err)
		}
		return r.file(name, func() (io.ReadCloser, error) { return files.Open(name) })
	})
}

// zip reads every *.json in a .zip file.
func (r *reader) zip() error {
	f, err := os.Open(r.where)
	if err != nil {
		return fault.New(fault.Usage, hint, "advisories: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	var z *zip.Reader
	if err == nil {
		z, err = openZip(f, info.Size(), r.directory)
	}
	if err != nil {
		return fault.New(fault.Usage, hint, "advisories: %s: %w", r.where, err)
	}
	for _, one := range z.File {
		if err := r.counted(); err != nil {
			return err
		}
		if path.Ext(one.Name) != ".json" {
			continue
		}
		if err := r.file(one.Name, one.Open); err != nil {
			return err
		}
	}
	return nil
}

// openZip reads the list of files, and no more bytes for it than limit.
func openZip(f io.ReaderAt, size, limit int64) (*zip.Reader, error) {
	m := &metered{r: f, left: limit}
	z, err := zip.NewReader(m, size)
	m.left = -1
	if errors.Is(err, zip.ErrInsecurePath) { // names lead nowhere here
		err = nil
	}
	return z, err
}

// metered gives no more bytes than are left; without end when that is negative.
type metered struct {
	r    io.ReaderAt
	left int64
}

func (m *metered) ReadAt(p []byte, at int64) (int, error) {
	if m.left >= 0 {
		if m.left -= int64(len(p)); m.left < 0 {
			m.left = 0
			return 0, errors.New("its list of files is too long")
		}
	}
	return m.r.ReadAt(p, at)
}

func (r *reader) counted() error {
	if r.n++; r.n > r.files {
		return fault.New(fault.Failed, hintLarge, "advisories: more than %d files in %s", r.files, r.where)
	}
	return nil
}

func (r *reader) unread(name string, err error) error {
	h := fault.HintOf(err)
	if h == "" {
		h = "take the folder anew from where it comes from"
	}
	return fault.New(fault.Failed, h, "advisory %q in %s: %w", name, r.where, err)
}

// file reads one advisory and keeps it, unless it cannot speak of a component.
func (r *reader) file(name string, open func() (io.ReadCloser, error)) error {
	f, err := open()
	if err != nil {
		return r.unread(name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, r.limits.file+1))
	if r.bytes += int64(len(text)); err == nil && r.bytes > r.read {
		err = fault.New(fault.Failed, hintLarge, "with it there are more than %d bytes of advisories", r.read)
	}
	if err == nil && int64(len(text)) > r.limits.file {
		err = fmt.Errorf("more than %d bytes", r.limits.file)
	}
	if err == nil {
		err = r.shape(text)
	}
	var v *vulnerability
	if err == nil {
		v, err = parse(text)
	}
	if err != nil {
		return r.unread(name, err)
	}
	if v.Withdrawn != nil && !v.Withdrawn.After(time.Now()) {
		return nil
	}
	r.db.n++
	if !trimmed(v) {
		return nil
	}
	if r.cost += cost(v); r.cost > r.kept {
		return r.unread(name, fault.New(fault.Failed, hintLarge, "with it the advisories take more than %d bytes of memory", r.kept))
	}
	r.db.all = append(r.db.all, v)
	return nil
}

// shape counts the values of a JSON text before anything is made of them.
func (r *reader) shape(text []byte) error {
	if !json.Valid(text) { // it takes no memory for values, and bounds their depth
		return errors.New("it is no JSON")
	}
	depth, values, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		}
		if values > r.values {
			return fmt.Errorf("more than %d values", r.values)
		}
		if depth > r.depth {
			return fmt.Errorf("more than %d objects and lists within each other", r.depth)
		}
	}
	return nil
}

// trimmed drops what is not looked at, such as the versions of distributions' packages, and reports whether
// it may speak of a component.
func trimmed(v *vulnerability) bool {
	if !slices.ContainsFunc(v.Affected, func(a affected) bool { return concerns(&a) }) {
		return false
	}
	v.Details = strings.Clone(firstLine(v.Details))
	for i := range v.Affected { // the severities of all of them count
		a := &v.Affected[i]
		if !concerns(a) {
			a.Ranges, a.Versions = nil, nil
		}
		for i := range a.Ranges {
			one := &a.Ranges[i]
			if one.Type == commits {
				one.Events = one.Database.Events
			}
			one.Database = specific{}
		}
	}
	return true
}

// concerns reports whether it may speak of a component at all.
func concerns(a *affected) bool {
	p := a.Package
	return p == nil && len(a.Ranges) > 0 ||
		p != nil && (slices.Contains(upstream, p.Ecosystem) || p.Ecosystem == pypi ||
			strings.HasPrefix(p.PURL, generic))
}

// cost is about how many bytes of memory it takes.
func cost(v *vulnerability) int64 {
	objects, texts := 4+len(v.Severity), len(v.Aliases)+len(v.Upstream)
	for _, a := range v.Affected {
		objects += 2 + len(a.Severity)
		texts += len(a.Versions)
		for _, one := range a.Ranges {
			objects += 1 + len(one.Events)
		}
	}
	return int64(v.bytes() + objects*objectSize + texts*textSize)
}
