package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes"
)

const (
	noAssertion  = "NOASSERTION"
	spdxDocument = "DOCUMENT"
	home         = "https://github.com/tlsfloor/tlsfloor"
)

// sbom writes the software bill of materials in SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/) as JSON.
type sbom struct {
	*facts
	doc *v2_3.Document
}

func (f *facts) sbom(archives []Archive) ([]byte, error) {
	s := &sbom{f, &v2_3.Document{SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: spdxDocument, DocumentName: f.name,
		DocumentNamespace: f.namespace(),
		CreationInfo: &v2_3.CreationInfo{Creators: []common.Creator{{CreatorType: "Tool", Creator: "tlsfloor"}}, Created: f.when.UTC().Format(time.RFC3339),
			CreatorComment: "The time is that of the newest file of the sources: the same sources give the same document."}}}
	root := s.whole(archives)
	for _, p := range f.shipped() {
		s.component(root, p)
	}
	for _, p := range f.shipped() {
		for _, need := range p.Recipe.Needs {
			if i := slices.IndexFunc(f.parts, func(q *part) bool { return q.Recipe.Name == need }); i >= 0 && f.parts[i].Recipe.Role != recipes.Training {
				s.needs(p, f.parts[i])
			}
		}
	}
	return s.encode()
}

func (s *sbom) encode() ([]byte, error) {
	text, err := json.Marshal(s.doc)
	if err != nil {
		return nil, fmt.Errorf("sbom: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", " "); err != nil {
		return nil, fmt.Errorf("sbom: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// namespace is unique for what is in the archives: the trees, and so the document.
func (f *facts) namespace() string { return namespace(f.name, f.Claim) }

// Namespace is what the SBOM of the bundle is called.
func (x *Index) Namespace() string { return namespace(x.Name, x.Claim) }

func namespace(name string, claim artifacts.Claim) string {
	var l digest.Lines
	for _, c := range slices.Sorted(maps.Keys(claim.Components)) {
		l.Add(c, claim.Components[c].Output.String())
	}
	return home + "/spdx/" + url.PathEscape(name) + "/" + l.Sum().String()
}

// whole is the package that the document describes.
func (s *sbom) whole(archives []Archive) common.ElementID {
	p := &v2_3.Package{PackageName: s.name, PackageSPDXIdentifier: id("bundle"), PackageDownloadLocation: noAssertion,
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
		PackageSummary: s.Plan.Profile.Summary, PrimaryPackagePurpose: "INSTALL",
		PackageComment: "OpenSSL and Python with nothing below TLS " + string(s.Plan.Profile.Floor) + " in them. The files are listed in the archives."}
	for _, a := range archives {
		if a.Controls {
			continue
		}
		file := &v2_3.File{FileName: "./" + a.File, FileSPDXIdentifier: id("archive-" + a.File), FileTypes: []string{"ARCHIVE"}, LicenseConcluded: noAssertion,
			FileCopyrightText: noAssertion, Checksums: checksums(a.SHA256.String())}
		if a.SHA1 != "" {
			file.Checksums = append(file.Checksums, common.Checksum{Algorithm: common.SHA1, Value: a.SHA1})
		}
		s.doc.Files = append(s.doc.Files, file)
		s.relate(file.FileSPDXIdentifier, common.TypeRelationshipDistributionArtifact, p.PackageSPDXIdentifier)
	}
	s.doc.Packages = append(s.doc.Packages, p)
	s.relate(spdxDocument, common.TypeRelationshipDescribe, p.PackageSPDXIdentifier)
	return p.PackageSPDXIdentifier
}

// component is one recipe with its source, patches and copies.
func (s *sbom) component(root common.ElementID, part *part) {
	r := part.Recipe
	p := s.pkg(r.Name, r.Version, common.ElementID("component-"+r.Name))
	p.PackageSummary, p.PackageHomePage, p.PackageLicenseDeclared = r.Summary, r.Homepage, r.License
	p.PrimaryPackagePurpose = "LIBRARY"
	if r.Role == recipes.Install {
		p.PrimaryPackagePurpose = "APPLICATION"
	}
	if !r.EOL.IsZero() {
		p.ValidUntilDate = r.EOL.UTC().Format(time.RFC3339)
	}
	var qualifiers map[string]string
	if sources := part.sources(); len(sources) > 0 {
		src := sources[0]
		p.PackageFileName, p.PackageChecksums = src.File, checksums(src.SHA256.String())
		qualifiers = map[string]string{"checksum": "sha256:" + src.SHA256.String()}
		if len(src.URLs) > 0 {
			p.PackageDownloadLocation = src.URLs[0]
			qualifiers["download_url"] = src.URLs[0]
		}
		p.PackageSourceInfo = "held against: " + src.Vouched
		if src.Why != "" {
			p.PackageSourceInfo += "; another archive than upstream's: " + src.Why
		}
	}
	p.PackageExternalReferences = append(p.PackageExternalReferences, purl("generic", r.Name, r.Version, qualifiers))
	if r.CPE != "" {
		p.PackageExternalReferences = append(p.PackageExternalReferences, cpe(r.CPE, r.Version))
	}
	s.relate(root, common.TypeRelationshipContains, p.PackageSPDXIdentifier)
	for _, patch := range part.Patches {
		file := &v2_3.File{FileName: "./patches/" + patch.Name, FileSPDXIdentifier: id("patch-" + patch.Name), FileTypes: []string{"TEXT"}, LicenseConcluded: noAssertion,
			FileCopyrightText: noAssertion, Checksums: append(checksums(patch.Digest.String()), common.Checksum{Algorithm: common.SHA1, Value: sha1Of(patch.Text)}), FileComment: "upstream: " + patch.Upstream()}
		if !slices.ContainsFunc(s.doc.Files, func(f *v2_3.File) bool { return f.FileSPDXIdentifier == file.FileSPDXIdentifier }) {
			s.doc.Files = append(s.doc.Files, file)
		}
		s.relate(file.FileSPDXIdentifier, common.TypeRelationshipPatchFor, p.PackageSPDXIdentifier)
	}
	for _, v := range part.copies {
		s.vendored(p.PackageSPDXIdentifier, r.Name, v)
	}
}

func (s *sbom) vendored(owner common.ElementID, component string, v vendored) {
	prefix := component + "-"
	if v.inside != "" {
		owner, prefix = id(component+"-"+v.inside), component+"-"+v.inside+"-"
	}
	p := s.pkg(v.name, v.version, common.ElementID(prefix+v.name))
	p.PackageExternalReferences, p.PackageComment = v.refs, "a copy, named in "+v.where
	if v.download != "" {
		p.PackageDownloadLocation = v.download
	}
	if v.sha256 != "" {
		p.PackageChecksums = checksums(v.sha256)
	}
	s.relate(owner, common.TypeRelationshipContains, p.PackageSPDXIdentifier)
}

// needs relates a part to one whose code is in its tree, or that made it.
func (s *sbom) needs(p, need *part) {
	switch need.Recipe.Role {
	case recipes.Install, recipes.Library:
		s.relate(id("component-"+p.Recipe.Name), common.TypeRelationshipContains, id("component-"+need.Recipe.Name))
	case recipes.Tool:
		if !slices.ContainsFunc(s.doc.Packages, func(k *v2_3.Package) bool {
			return k.PackageSPDXIdentifier == id("component-"+need.Recipe.Name)
		}) {
			k := s.pkg(need.Recipe.Name, need.Recipe.Version, common.ElementID("component-"+need.Recipe.Name))
			k.PackageLicenseDeclared, k.PackageComment = need.Recipe.License, "a tool of the build: nothing of it is in what is built"
		}
		s.relate(id("component-"+need.Recipe.Name), common.TypeRelationshipBuildToolOf, id("component-"+p.Recipe.Name))
	}
}

// pkg adds a package of which nothing is asserted yet.
func (s *sbom) pkg(name, version string, element common.ElementID) *v2_3.Package {
	p := &v2_3.Package{PackageName: name, PackageVersion: version, PackageSPDXIdentifier: id(string(element)), PackageDownloadLocation: noAssertion,
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion}
	s.doc.Packages = append(s.doc.Packages, p)
	return p
}

func (s *sbom) relate(a common.ElementID, how string, b common.ElementID) {
	r := &v2_3.Relationship{RefA: common.DocElementID{ElementRefID: a}, RefB: common.DocElementID{ElementRefID: b}, Relationship: how}
	s.doc.Relationships = append(s.doc.Relationships, r)
}

var idForm = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// id makes a name fit for an identifier of SPDX.
func id(name string) common.ElementID { return common.ElementID(idForm.ReplaceAllString(name, "-")) }

func checksums(sha256 string) []common.Checksum {
	return []common.Checksum{{Algorithm: common.SHA256, Value: sha256}}
}

// cpe is the name of a version in the vulnerability database NVD (NISTIR 7695).
func cpe(vendorProduct, version string) *v2_3.PackageExternalReference {
	escaped := strings.NewReplacer("+", `\+`, "~", `\~`).Replace(version)
	return &v2_3.PackageExternalReference{Category: common.CategorySecurity, RefType: common.TypeSecurityCPE23Type, Locator: "cpe:2.3:a:" + vendorProduct + ":" + escaped + ":*:*:*:*:*:*:*"}
}

func purl(kind, name, version string, qualifiers map[string]string) *v2_3.PackageExternalReference {
	if kind == packageurl.TypePyPi {
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	u := packageurl.NewPackageURL(kind, "", name, version, packageurl.QualifiersFromMap(qualifiers), "")
	return &v2_3.PackageExternalReference{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: u.ToString()}
}
