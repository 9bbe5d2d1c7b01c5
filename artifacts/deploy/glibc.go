package deploy

import (
	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// GLIBC returns the version of the C library that programs of this site are loaded with, "" where its root
// has none yet.
func (s Site) GLIBC() string { return elfpolicy.Installed(s.Root) }

// Runs refuses a generation whose programs the C library below the site's root is too old for: they would end
// before their first line. A root without one may get it later.
func (s Site) Runs(g Generation) error {
	if g.GLIBC == "" {
		return nil
	}
	have := s.GLIBC()
	if have == "" || !elfpolicy.Older(have, g.GLIBC) {
		return nil
	}
	where := "this machine"
	if s.Root != "" && s.Root != "/" {
		where = s.Root
	}
	return fault.New(fault.Failed, "build on a system that is no newer than the one it is for, such as a container of the same release",
		"the C library is too old: these programs need glibc %s, and %s has %s", g.GLIBC, where, have)
}
