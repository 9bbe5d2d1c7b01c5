package artifacts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Claims is artifacts/index.json: which bytes we say come out of which profile, and with which tools.
type Claims struct {
	Format int     `json:"format"` // 1
	Claims []Claim `json:"claims"`

	// Bundle is what the index.json of a bundle says beside its one claim; package bundle knows it.
	Bundle json.RawMessage `json:"bundle,omitempty"`
}

// Claim is about one profile, built in one way on one kind of host.
type Claim struct {
	Profile    string             `json:"profile"`
	Optimize   string             `json:"optimize"`
	Sysroot    string             `json:"sysroot,omitempty"` // the version of the component sysroot, if any
	With       []string           `json:"with,omitempty"`    // the optional sets, in order of name
	Prefix     string             `json:"prefix"`
	Triple     string             `json:"triple"`
	Sandbox    string             `json:"sandbox"`
	Tools      []Tool             `json:"tools"`
	Variations []string           `json:"variations,omitempty"` // under which a rebuild gave the same
	Made       string             `json:"made,omitempty"`       // YYYY-MM-DD
	Components map[string]Claimed `json:"components"`
}

// Tool is what a host builds with, and the distribution's package that brought it.
type Tool struct {
	Tool    string `json:"tool"`
	Package string `json:"package"`
	Version string `json:"version"`
}

// Claimed is an installed tree.
type Claimed struct {
	Version string        `json:"version"`
	Folder  string        `json:"folder"` // where it is installed
	Output  digest.Digest `json:"output"` // of the tree as the store lists it
	// Sums is checked with nothing but coreutils, in Folder:
	//
	//	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
	Sums  digest.Digest `json:"sums"`
	Files int           `json:"files"`
	Bytes int64         `json:"bytes"`
}

// NewClaimed describes a tree.
func NewClaimed(version, folder string, output digest.Digest, t store.Tree) Claimed {
	c := Claimed{Version: version, Folder: folder, Output: output}
	var lines []string
	for _, e := range t {
		if e.Mode.IsRegular() {
			c.Files++
			c.Bytes += e.Size
			lines = append(lines, fmt.Sprintf("%x  ./%s\n", e.Digest[:], e.Path))
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	c.Sums = digest.Of([]byte(strings.Join(lines, "")))
	return c
}

// ReadClaims reads an index.json.
func ReadClaims(path string) (*Claims, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "name an index.json such as the one of a release", "claims: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var c Claims
	if err := d.Decode(&c); err != nil {
		return nil, fault.New(fault.Usage, "it has to be an index.json such as artifacts/index.json", "%s: %w", path, err)
	}
	if c.Format != 1 {
		return nil, fault.New(fault.Usage, "get a newer tlsfloor", "%s: format %d is not known", path, c.Format)
	}
	return &c, nil
}

// Find returns the claim about the same profile, optimisation, sysroot, optional sets, prefix, triple and
// sandbox as like, or nil.
func (c *Claims) Find(like Claim) *Claim {
	for i, one := range c.Claims {
		if slices.Equal(one.about(), like.about()) {
			return &c.Claims[i]
		}
	}
	return nil
}

// Name says in a line what the claim is about.
func (c Claim) Name() string { return strings.Join(c.about(), ", ") }

func (c Claim) about() []string {
	about := []string{c.Profile, c.Optimize, c.Prefix, c.Triple, c.Sandbox}
	if c.Sysroot != "" {
		about = append(about, "sysroot "+c.Sysroot)
	}
	if len(c.With) > 0 {
		about = append(about, "with "+strings.Join(c.With, ","))
	}
	return about
}

// Put adds a claim to the file at path, in place of the one about the same.
func Put(path string, claim Claim) error {
	c, err := ReadClaims(path)
	if errors.Is(err, fs.ErrNotExist) {
		c, err = &Claims{Format: 1}, nil
	}
	if err != nil {
		return err
	}
	if old := c.Find(claim); old != nil {
		*old = claim
	} else {
		c.Claims = append(c.Claims, claim)
	}
	slices.SortFunc(c.Claims, func(a, b Claim) int { return slices.Compare(a.about(), b.about()) })
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err
	}
	return owned.Replace(path, append(text, '\n'), 0o644)
}
