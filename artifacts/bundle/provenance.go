package bundle

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"slices"

	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

// The identifiers of the provenance (https://slsa.dev/spec/v1.0/provenance).
const (
	ProvenanceType = "https://slsa.dev/provenance/v1"
	BuildType      = home + "/build/v1" // what builds: fetch, patch, compile and install by recipes, in a sandbox
	BuilderID      = home + "/builder/local"
)

// level says what the provenance is worth: the claim of whoever signs it.
const level = "SLSA Build L1: written by the build itself, on a machine that its signer controls. What makes it more than a claim is that anybody can build the same bytes again."

// provenance says how the archives came to be, as an in-toto Statement. It holds no time and no name of a
// machine: two builds from the same sources with the same tools give the same Statement.
func (f *facts) provenance(archives []Archive) ([]byte, error) {
	var subjects []report.Resource
	for _, a := range archives {
		subjects = append(subjects, report.NewResource(a.File, "", a.SHA256.String()))
	}
	p := f.Plan.Profile
	external := map[string]any{"profile": p.Name, "floor": string(p.Floor), "optimize": string(p.Optimize),
		"sysroot": p.Sysroot, "with": anyList(p.With), "prefix": f.Plan.Base}
	keys, packages := map[string]any{}, map[string]any{}
	for _, one := range f.parts {
		keys[one.Recipe.Name] = one.record.Key.String()
	}
	for _, t := range f.Claim.Tools {
		packages[t.Tool] = t.Package + " " + t.Version
	}
	internal := map[string]any{"triple": f.Plan.Host.Triple, "sandbox": f.Claim.Sandbox, "keys": keys,
		"packages": packages, "level": level}
	return report.Statement(ProvenanceType, subjects, map[string]any{
		"buildDefinition": map[string]any{"buildType": BuildType, "externalParameters": external,
			"internalParameters": internal, "resolvedDependencies": f.dependencies()},
		"runDetails": map[string]any{"builder": map[string]any{"id": BuilderID}, "byproducts": f.byproducts()},
	})
}

var hexDigest = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// dependencies are all sources, patches and tools, and the profile that was trained.
func (f *facts) dependencies() (all []report.Resource) {
	add := func(d report.Resource) {
		if !slices.ContainsFunc(all, func(have report.Resource) bool {
			return have.Name == d.Name && have.Digest["sha256"] == d.Digest["sha256"]
		}) {
			all = append(all, d)
		}
	}
	for _, p := range f.parts {
		for _, src := range p.sources() {
			generic := "pkg:generic/" + p.Recipe.Name + "@" + p.Recipe.Version
			first := append(slices.Clone(src.URLs), "")[0]
			add(report.NewResource(src.File, cmp.Or(first, generic), src.SHA256.String()))
		}
		for _, patch := range p.Patches {
			add(report.NewResource("patches/"+patch.Name, patch.Upstream(), patch.Digest.String()))
		}
		if p.Recipe.Role == recipes.Training {
			add(report.NewResource(p.Recipe.Name+" (profile)", "", p.record.Output.String()))
		}
	}
	for _, l := range f.Plan.Host.Tools {
		if sum := hexDigest.FindString(l.Label + " " + l.Value); sum != "" {
			add(report.NewResource("host: "+l.Label, "", sum))
		}
	}
	return all
}

// byproducts are the trees in the archives.
func (f *facts) byproducts() (all []report.Resource) {
	for _, p := range slices.Concat(f.installed(), f.controls()) {
		all = append(all, report.NewResource("tree "+p.Recipe.Name, "", p.record.Output.String()))
	}
	return all
}

func anyList(list []string) []any {
	all := []any{}
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// sha1Of is for SPDX, which wants it of every file beside SHA-256 (clause 8.4).
func sha1Of(b []byte) string {
	h := sha1.Sum(b)
	return hex.EncodeToString(h[:])
}
