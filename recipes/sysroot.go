package recipes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// SysrootName is the component whose versions are the sysroots: the libc of a distribution's suite that
// everything is compiled against. A version is named <glibc's version>-<suite>-<architecture>, such as
// 2.31-bullseye-amd64.
const SysrootName = "sysroot"

// Glibc returns the version of glibc that a version of the component sysroot holds.
func Glibc(sysroot string) string {
	glibc, _, _ := strings.Cut(sysroot, "-")
	return glibc
}

// Sysroot returns the version of the component sysroot that holds a suite's libc for an architecture (amd64,
// arm64).
func (s *Set) Sysroot(suite, arch string) (string, error) {
	var suites []string
	for _, v := range s.Versions(SysrootName) {
		parts := strings.Split(v, "-")
		if parts[2] != arch {
			continue
		}
		if parts[1] == suite {
			return v, nil
		}
		suites = append(suites, parts[1])
	}
	known := strings.Join(suites, ", ")
	return "", fault.New(fault.Usage, "sysroots for "+arch+": "+known+"; docs/sysroot.md says how to add one", "-sysroot=%s: not known for %s (there are: %s)", suite, arch, known)
}

// checkSysroots holds the component's versions to their form.
func (s *Set) checkSysroots(c component) error {
	if (c.role == Sysroot) != (c.name == SysrootName) {
		return c.at.at("role").fail("name the component "+SysrootName, "role %s of %s", c.role, c.name)
	}
	if c.role != Sysroot {
		return nil
	}
	for _, v := range c.versionList() {
		if strings.Count(v, "-") != 2 {
			return c.versions[v].at.at("version").fail("<glibc's version>-<suite>-<architecture>, such as 2.31-bullseye-amd64", "version %q does not name a sysroot", v)
		}
	}
	return nil
}

// against makes every recipe of a profile need its sysroot, which comes first, and be held to its glibc.
func (s *Set) against(sysroot string, list []*Recipe) ([]*Recipe, error) {
	c := s.components[SysrootName]
	if _, ok := c.versions[sysroot]; !ok {
		return nil, fmt.Errorf("sysroot %s: no such version of component %s", sysroot, SysrootName)
	}
	for _, r := range list {
		r.Needs, r.Checks = append(r.Needs, SysrootName), append(r.Checks, CheckGlibc)
	}
	return slices.Insert(list, 0, c.recipe(variant{version: sysroot, floor: TLS12, optimize: NoOptimize})), nil
}
