package bundle

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// ProgramSBOM writes the software bill of materials of a program that Go compiled, in SPDX 2.3 as JSON: the
// modules and the standard library that the program itself says are in it (debug/buildinfo). It depends on
// nothing but the program's bytes and name, which is what the document calls it.
func ProgramSBOM(file, name string) ([]byte, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("sbom: %s: %w", filepath.Base(file), err)
	}
	sum, _, err := digest.OfFile(file)
	if err != nil {
		return nil, fmt.Errorf("sbom: %w", err)
	}
	ours := ourModule(info)
	if ours == nil || len(info.Deps) < 2 {
		return nil, errors.New("sbom: " + name + " does not say which modules are in it")
	}
	s := &sbom{doc: &v2_3.Document{SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense,
		SPDXIdentifier: spdxDocument, DocumentName: name,
		DocumentNamespace: home + "/spdx/" + url.PathEscape(name) + "/" + sum.String(),
		CreationInfo: &v2_3.CreationInfo{Created: committed(info),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "tlsfloor"}},
			CreatorComment: "The time is that of the commit, or none: " +
				"the same program gives the same document."}}}
	root := s.program(info, ours.Version, sum)
	for _, m := range info.Deps {
		if m.Path == ours.Path {
			continue
		}
		s.relate(root, common.TypeRelationshipStaticLink, s.module(m))
	}
	s.relate(root, common.TypeRelationshipStaticLink, s.standardLibrary(info.GoVersion))
	return s.encode()
}

// ourModule is tlsfloor's own: where mage has compiled it, a module as the others (mage compiles files, whose
// main module has no name).
func ourModule(info *debug.BuildInfo) *debug.Module {
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if "https://"+m.Path == home {
			return m
		}
	}
	return nil
}

// committed is the time of the commit that was compiled, or the beginning of time.
func committed(info *debug.BuildInfo) string {
	when, err := time.Parse(time.RFC3339, setting(info, "vcs.time"))
	if err != nil {
		when = time.Unix(0, 0)
	}
	return when.UTC().Format(time.RFC3339)
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// program is the package that the document describes.
func (s *sbom) program(info *debug.BuildInfo, version string, sum digest.Digest) common.ElementID {
	revision := setting(info, "vcs.revision")
	if revision != "" && setting(info, "vcs.modified") == "true" {
		revision += ", with changes"
	}
	if version == "(devel)" {
		version = ""
	}
	p := s.pkg(s.doc.DocumentName, version, "program")
	p.PackageFileName, p.PackageChecksums = s.doc.DocumentName, checksums(sum.String())
	p.PrimaryPackagePurpose, p.PackageHomePage = "APPLICATION", home
	p.PackageSourceInfo = fmt.Sprintf("compiled by %s for %s/%s", info.GoVersion,
		setting(info, "GOOS"), setting(info, "GOARCH"))
	if revision != "" {
		p.PackageSourceInfo += ", revision " + revision
	}
	s.relate(spdxDocument, common.TypeRelationshipDescribe, p.PackageSPDXIdentifier)
	return p.PackageSPDXIdentifier
}

// module is one that is linked in: what stands in its place, where go.mod replaces it.
func (s *sbom) module(m *debug.Module) common.ElementID {
	used := m
	if m.Replace != nil {
		used = m.Replace
	}
	p := s.pkg(used.Path, used.Version, common.ElementID("module-"+m.Path+"-"+m.Version))
	p.PrimaryPackagePurpose = "LIBRARY"
	if used.Sum != "" {
		p.PackageSourceInfo = "held against go.sum: " + used.Sum
	}
	if m.Replace != nil {
		p.PackageComment = "in the place of " + m.Path + " " + m.Version
	}
	dir, name := path.Split(strings.ToLower(used.Path))
	u := packageurl.NewPackageURL(packageurl.TypeGolang, strings.TrimSuffix(dir, "/"), name, used.Version,
		nil, "")
	p.PackageExternalReferences = append(p.PackageExternalReferences, &v2_3.PackageExternalReference{
		Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: u.ToString()})
	return p.PackageSPDXIdentifier
}

// standardLibrary is Go's own, by the name that advisories call it
// (https://go.dev/doc/security/vuln/database).
func (s *sbom) standardLibrary(goVersion string) common.ElementID {
	version, _, _ := strings.Cut(strings.TrimPrefix(goVersion, "go"), " ")
	p := s.pkg("stdlib", version, "stdlib")
	p.PrimaryPackagePurpose, p.PackageLicenseDeclared = "LIBRARY", "BSD-3-Clause"
	p.PackageExternalReferences = append(p.PackageExternalReferences,
		purl(packageurl.TypeGolang, "stdlib", version, nil), cpe("golang:go", version))
	return p.PackageSPDXIdentifier
}
