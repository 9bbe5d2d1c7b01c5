// Package patches embeds the changes that are made to upstream's sources, and applies them exactly: a
// hunk stands at the line that it names, with the context that it shows, or nothing is applied.
//
// A patch is a file <component>/<series>/NNNN-name.patch in unified diff format. A series (package
// recipes/version) is one version (3.5.7), all versions that begin so (3.13) or a range (3.9-3.11).
// Before the first diff a patch says why it exists, and names its upstream issue or page in a line
// "Upstream: https://...".
//
// For one version patches are applied in order of their file names. Of several with the same file name
// one is taken: the one of the last overlay that has it, and within one folder the one of the narrowest
// series. An empty file therefore takes a patch away.
package patches

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes/version"
)

//go:embed */*/*.patch
var embedded embed.FS

// Patch is one patch file.
type Patch struct {
	Name   string // <component>/<series>/NNNN-name.patch
	Text   []byte
	Digest digest.Digest // of Text
}

var (
	fileForm = regexp.MustCompile(`^[0-9]{4}-[a-z0-9][a-z0-9._-]*\.patch$`)
	upstream = regexp.MustCompile(`(?m)^Upstream: (https://\S+)$`)
)

const hintLayout = "patches are named <component>/<series>/NNNN-name.patch, for example python/3.13/0001-site.patch"

// For returns the patches of one version of a component, in the order in which they are applied. Each
// overlay is laid over the embedded patches. Errors are usage errors.
func For(component, v string, overlays ...fs.FS) ([]Patch, error) {
	chosen := map[string]Patch{}
	for _, layer := range slices.Concat([]fs.FS{embedded}, overlays) {
		found, err := in(layer, component, v)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			chosen[path.Base(p.Name)] = p
		}
	}
	var all []Patch
	for _, p := range chosen {
		if len(bytes.TrimSpace(p.Text)) > 0 {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b Patch) int { return cmp.Compare(path.Base(a.Name), path.Base(b.Name)) })
	for _, p := range all {
		if err := p.check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// in returns one layer's patches for a version, wider series first.
func in(layer fs.FS, component, v string) ([]Patch, error) {
	series, err := fs.ReadDir(layer, component)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Usage, hintLayout, "reading patches/%s: %w", component, err)
	}
	var out []Patch
	depth := map[string]int{}
	for _, folder := range series {
		name := path.Join(component, folder.Name())
		s, err := version.ParseSeries(folder.Name())
		if err != nil {
			return nil, fault.New(fault.Usage, hintLayout, "patches/%s: %w", name, err)
		}
		if !s.Contains(v) {
			continue
		}
		found, err := read(layer, name)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			depth[p.Name] = s.Depth()
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, func(a, b Patch) int { return cmp.Compare(depth[a.Name], depth[b.Name]) })
	return out, nil
}

func read(layer fs.FS, folder string) ([]Patch, error) {
	files, err := fs.ReadDir(layer, folder)
	if err != nil {
		return nil, fault.New(fault.Usage, hintLayout, "reading patches/%s: %w", folder, err)
	}
	var out []Patch
	for _, f := range files {
		name := path.Join(folder, f.Name())
		if f.IsDir() || !fileForm.MatchString(f.Name()) {
			return nil, fault.New(fault.Usage, hintLayout, "patches/%s: the name is not that of a patch", name)
		}
		text, err := fs.ReadFile(layer, name)
		if err != nil {
			return nil, fault.New(fault.Usage, hintLayout, "reading patches/%s: %w", name, err)
		}
		out = append(out, Patch{name, text, digest.Of(text)})
	}
	return out, nil
}

// check refuses a patch that does not say why it exists.
func (p Patch) check() error {
	_, head, err := p.parse()
	if err != nil {
		return err
	}
	why := upstream.ReplaceAll([]byte(head), nil)
	if len(bytes.TrimSpace(why)) == 0 || p.Upstream() == "" {
		return fault.New(fault.Usage, `write why the patch exists and a line "Upstream: https://..." before the first diff`, "patch %s: the head lacks the reason or the upstream link", p.Name)
	}
	return nil
}

// Upstream returns the address of the upstream issue or page that the patch's head names.
func (p Patch) Upstream() string {
	_, head, err := p.parse()
	if err != nil {
		return ""
	}
	if m := upstream.FindStringSubmatch(head); m != nil {
		return m[1]
	}
	return ""
}
