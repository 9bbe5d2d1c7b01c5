package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// seenFile stands beside the profiles' folders, and stays there when they are uninstalled.
const seenFile = ".tlsfloor/releases.json"

const seenLimit = 4 << 20 // bytes

// Seen is the newest release of each line that was put in use below a base folder, by the key that had
// signed it.
type Seen struct {
	Format int                          `json:"format"` // 1
	Lines  map[string]map[string]Newest `json:"lines"`  // line -> key -> release

	file string
}

// Newest is the highest release of a line.
type Newest struct {
	Sequence int64     `json:"sequence"`
	Made     time.Time `json:"made"`
	Name     string    `json:"name"`
}

// Line is what releases follow each other in: the same profile for the same kind of machine, built in the
// same way.
func (x *Index) Line() string {
	parts := append([]string{x.Claim.Profile, x.Claim.Triple}, x.Claim.With...)
	if x.Claim.Sysroot != "" {
		parts = append(parts, x.Claim.Sysroot)
	}
	return strings.Join(parts, " ")
}

// ReadSeen reads what was seen at the site.
func ReadSeen(s deploy.Site) (*Seen, error) {
	all := &Seen{Format: 1, Lines: map[string]map[string]Newest{}, file: filepath.Join("/", s.Base, seenFile)}
	root, err := owned.Root(rootOf(s))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	text, err := owned.Read(root, inRoot(all.file), seenLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(all)
	}
	if err == nil && all.Format != 1 {
		err = fmt.Errorf("format %d is not known", all.Format)
	}
	if err == nil && all.Lines == nil {
		err = errors.New("it has no lines")
	}
	if err != nil {
		return nil, fault.New(fault.Failed, "it holds which releases were installed here; without it an old one is not noticed: remove it if that is right",
			"%s: %w", filepath.Join(s.Root, all.file), err)
	}
	return all, nil
}

// Newest is the newest release of the line that the key has signed.
func (s *Seen) Newest(line, key string) (Newest, bool) {
	n, ok := s.Lines[line][key]
	return n, ok
}

// Latest is the latest time at which a release that was seen had been signed.
func (s *Seen) Latest() (latest time.Time) {
	for _, line := range s.Lines {
		for _, n := range line {
			if n.Made.After(latest) {
				latest = n.Made
			}
		}
	}
	return latest
}

// Remember notes that the bundle was put in use. A release that is older than what was seen changes nothing.
func (k *Checked) Remember(s deploy.Site) error {
	if k.Key == nil || k.Release == nil {
		return nil
	}
	all, err := ReadSeen(s)
	if err != nil {
		return err
	}
	line := k.Index.Line()
	if n, ok := all.Newest(line, k.Key.ID); ok && n.Sequence >= k.Release.Sequence {
		return nil
	}
	if all.Lines[line] == nil {
		all.Lines[line] = map[string]Newest{}
	}
	all.Lines[line][k.Key.ID] = Newest{Sequence: k.Release.Sequence, Made: k.Release.Made, Name: k.Index.Name}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	root, err := owned.Root(rootOf(s))
	if err != nil {
		return err
	}
	defer root.Close()
	return owned.ReplaceIn(root, inRoot(all.file), append(text, '\n'), 0o644)
}

// rootOf is the image that the site is in, or this machine's root: a link in an image cannot lead out of it.
func rootOf(s deploy.Site) string {
	if s.Root == "" {
		return "/"
	}
	return s.Root
}

func inRoot(file string) string { return strings.TrimPrefix(file, "/") }
