package packages

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

//go:embed script.sh
var common string

// script is a script for /bin/sh that does what doing says, with the functions of script.sh.
func (s *Spec) script(doing string) string {
	names := slices.Sorted(maps.Keys(s.Trees))
	var components []string
	for _, name := range names {
		components = append(components, name+":"+s.Site.Prefixes[name])
	}
	var b strings.Builder
	verdict := ""
	if s.Proof != nil {
		verdict = digest.Of(s.Proof.Verdict()).String()
	}
	fmt.Fprintf(&b,
		"#!/bin/sh\n# Written by tlsfloor.\n\nverdict=%s\nbase=%s\nprofile=%s\npackage=%s\n"+
			"components='%s'\nfirst=%s\npayload=%s\npython=%s\nanchors='%s'\n",
		verdict, s.Site.Base, s.Site.Profile, s.Name(), strings.Join(components, " "), names[0],
		s.payload(), s.Generation.Components["python"].Version, strings.Join(cacerts.HostBundles(), " "))
	b.WriteString(common)
	b.WriteString("\n" + doing + "\n")
	return b.String()
}
