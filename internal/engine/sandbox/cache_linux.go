package sandbox

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// cache keeps values computed from files together with a digest of the files' stamps: as long as
// the stamps are equal nothing is read.
type cache struct {
	path string
	old  map[string]cached
	new  map[string]cached
}

type cached struct {
	Stamps digest.Digest `json:"stamps"`
	Value  string        `json:"value"`
}

// cacheName carries the layout's version: another layout is another file.
const cacheName = "host-tools-2.json"

// openCache reads the cache in dir. One that cannot be read is an empty one, and so is another user's.
func openCache(dir string) *cache {
	c := &cache{old: map[string]cached{}, new: map[string]cached{}}
	if dir == "" {
		return c
	}
	c.path = filepath.Join(dir, cacheName)
	if owned.File(c.path) != nil {
		return c
	}
	if text, err := owned.ReadFile(c.path, 64<<20); err == nil && json.Unmarshal(text, &c.old) != nil {
		c.old = map[string]cached{}
	}
	return c
}

// close writes the cache if it changed, all or nothing: several processes may do so at once.
func (c *cache) close() error {
	if c.path == "" || c.same() {
		return nil
	}
	text, err := json.MarshalIndent(c.new, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o755); err != nil {
		return fmt.Errorf("keeping the host's fingerprint: %w", err)
	}
	if err := owned.Replace(c.path, text, 0o600); err != nil {
		return fmt.Errorf("keeping the host's fingerprint: %w", err)
	}
	return nil
}

func (c *cache) same() bool {
	if len(c.old) != len(c.new) {
		return false
	}
	for label, v := range c.new {
		if c.old[label] != v {
			return false
		}
	}
	return true
}

// value returns compute's result, or the one kept for equal files.
func (c *cache) value(label string, files []string, compute func() (string, error)) (string, error) {
	stamps, err := stampsOf(files)
	if err != nil {
		return "", err
	}
	v, ok := c.old[label]
	if !ok || v.Stamps != stamps {
		v.Stamps = stamps
		if v.Value, err = compute(); err != nil {
			return "", err
		}
	}
	c.new[label] = v
	return v.Value, nil
}

func stampsOf(files []string) (digest.Digest, error) {
	var all []byte
	var err error
	for _, file := range files {
		if all, err = stamp(all, file); err != nil {
			return digest.Digest{}, err
		}
	}
	return digest.Of(all), nil
}

// learnt is value for a result that itself tells which files it depends on; files returns those that
// there are, so that a new one changes the stamps too.
func (c *cache) learnt(label string, files func(value string) []string, compute func() string) (string, error) {
	v, ok := c.old[label]
	stamps, err := stampsOf(files(v.Value))
	if err != nil {
		return "", err
	}
	if !ok || v.Stamps != stamps {
		v.Value = compute()
		if stamps, err = stampsOf(files(v.Value)); err != nil {
			return "", err
		}
	}
	c.new[label] = cached{stamps, v.Value}
	return v.Value, nil
}

// fileLine adds a line for one file.
func (c *cache) fileLine(lines *digest.Lines, label, path string) error {
	value, err := c.value(label, []string{path}, func() (string, error) {
		d, _, err := digest.OfFile(path)
		return path + " " + d.String(), err
	})
	if err == nil {
		lines.Add(label, value)
	}
	return err
}

// filesLine adds one line for many files below dir: their number, and a digest of names and contents.
func (c *cache) filesLine(lines *digest.Lines, label, dir string, files []string) error {
	value, err := c.value(label, files, func() (string, error) {
		var each digest.Lines
		for _, file := range files {
			d, _, err := digest.OfFile(file)
			if err != nil {
				return "", err
			}
			each.Add(file, d.String())
		}
		return fmt.Sprintf("%s %d files %s", dir, len(files), each.Sum()), nil
	})
	if err == nil {
		lines.Add(label, value)
	}
	return err
}

// treeLine adds one line for all files below dir that keep wants.
func (c *cache) treeLine(lines *digest.Lines, label, dir string, keep func(string) bool) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	var files []string
	err = filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !keep(path) {
			return err
		}
		regular := d.Type().IsRegular()
		if d.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(path)
			regular = err == nil && info.Mode().IsRegular()
		}
		if regular {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.filesLine(lines, label, real, files)
}
