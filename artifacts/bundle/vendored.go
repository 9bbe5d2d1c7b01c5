package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// vendored is others' code that a component's source or tree carries along.
type vendored struct {
	name, version string
	where         string // the file that says so
	download      string
	sha256        string // of the download, or of the wheel
	refs          []*v2_3.PackageExternalReference
	inside        string // the name of the wheel that holds it; "" for the component itself
}

// Where CPython says what it has copied: from 3.12 on in a list of its own, before that only in the headers.
const (
	upstreamList = "Misc/sbom.spdx.json"
	expatHeader  = "Modules/expat/expat.h"
)

// replaced are the copies in CPython's source in whose place ours is linked.
var replaced = []string{"mpdecimal"}

func (p *part) readUpstreamList(body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var doc v2_3.Document
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	for _, k := range doc.Packages {
		if slices.Contains(replaced, k.PackageName) {
			continue
		}
		p.copies = slices.DeleteFunc(p.copies, func(v vendored) bool { return v.name == k.PackageName }) // the list knows more than a header
		v := vendored{name: k.PackageName, version: k.PackageVersion, where: upstreamList, download: k.PackageDownloadLocation, refs: k.PackageExternalReferences}
		for _, sum := range k.PackageChecksums {
			if sum.Algorithm == common.SHA256 {
				v.sha256 = sum.Value
			}
		}
		for _, r := range v.refs {
			r.Category = strings.ReplaceAll(r.Category, "_", "-") // the schema has both, the specification one
		}
		p.copies = append(p.copies, v)
	}
	return nil
}

var expatVersion = regexp.MustCompile(`(?m)^#\s*define\s+XML_(?:MAJOR|MINOR|MICRO)_VERSION\s+(\d+)`)

func (p *part) readExpat(body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil || slices.ContainsFunc(p.copies, func(v vendored) bool { return v.name == "expat" }) {
		return err
	}
	found := expatVersion.FindAllSubmatch(text, -1)
	if len(found) != 3 {
		return fmt.Errorf("no version of expat in it")
	}
	version := fmt.Sprintf("%s.%s.%s", found[0][1], found[1][1], found[2][1])
	p.copies = append(p.copies, vendored{name: "expat", version: version, where: expatHeader, refs: []*v2_3.PackageExternalReference{cpe("libexpat_project:libexpat", version)}})
	return nil
}

var wheelForm = regexp.MustCompile(`(?:^|/)ensurepip/_bundled/(([A-Za-z0-9_.]+)-([^-/]+)-[^/]*\.whl)$`)

// readWheels lists the wheels that ensurepip brings, and what they have copied.
func (p *part) readWheels(st *store.Store) error {
	for _, e := range p.tree {
		m := wheelForm.FindStringSubmatch(e.Path)
		if m == nil {
			continue
		}
		data, err := st.Read(e.Digest)
		if err != nil {
			return err
		}
		p.copies = append(p.copies, vendored{name: m[2], version: m[3], where: e.Path, sha256: digest.Of(data).String(), refs: []*v2_3.PackageExternalReference{purl("pypi", m[2], m[3], nil)}})
		inside, err := wheelCopies(m[2], data)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		for i := range inside {
			inside[i].where = e.Path + "!" + inside[i].where
		}
		p.copies = append(p.copies, inside...)
	}
	return nil
}

var requirement = regexp.MustCompile(`(?m)^\s*([A-Za-z0-9][A-Za-z0-9_.-]*)==([^\s;#]+)`)

// wheelCopies reads pip's and setuptools' own list of what they have copied: _vendor/vendor.txt or
// vendored.txt.
func wheelCopies(wheel string, data []byte) (all []vendored, err error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	for _, f := range z.File {
		if base := path.Base(f.Name); path.Base(path.Dir(f.Name)) != "_vendor" || base != "vendor.txt" && base != "vendored.txt" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return nil, err
		}
		for _, m := range requirement.FindAllSubmatch(text, -1) {
			name, version := string(m[1]), string(m[2])
			all = append(all, vendored{name: name, version: version, where: f.Name, inside: wheel, refs: []*v2_3.PackageExternalReference{purl("pypi", name, version, nil)}})
		}
	}
	return all, nil
}
