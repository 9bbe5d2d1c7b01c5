package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/recipes"
)

// Known is an advisory about something that is in a bundle.
type Known struct {
	Component, Version, Advisory, Severity string
	Fixed                                  []string // versions
	Summary                                string
	Sure                                   bool // false: the advisory names no version
}

// Advisories is what was looked at when a bundle was made.
type Advisories struct {
	Read  int // how many there were
	Known []Known
}

// readme is what a person sees first.
func (w *writer) readme(x *Index) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	components := slices.Sorted(maps.Keys(x.Claim.Components))
	line("# %s\n", x.Name)
	line("OpenSSL and Python that refuse everything below TLS %s, whatever an application, an environment variable or a\nconfiguration file asks for. For Linux on %s with glibc %s or later.\n", x.Floor, x.Arch, x.GLIBC)
	for _, name := range components {
		c := x.Claim.Components[name]
		line("- %s %s in %s", name, c.Version, c.Folder)
	}
	line("\n## Check and install\n")
	line("    sha256sum -c SHA256SUMS")
	if w.Signer != nil {
		line("    openssl pkeyutl -verify -pubin -inkey key.pub.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig")
		line("    tlsfloor install -from=. -key=key.pub.pem\n")
		line("The public key comes from whoever publishes this, by another way than this folder; its digest is %s.\n", w.Signer.Key.ID)
	} else {
		line("    tlsfloor install -from=. -unsigned\n")
		line("Nobody has signed it.\n")
	}
	line("`install` proves on your machine that nothing below the floor is left. Without tlsfloor, unpack an archive and move its folders to")
	line("%s.", x.Claim.Prefix)
	if w.Proof != nil {
		line("\n## Proof\n\n%s. verdict.txt has each case, proof/ the run.", strings.TrimSuffix(w.Proof.Summary(), "."))
	}
	line("\n## Known vulnerabilities\n")
	w.vulnerabilities(line)
	line("\n## What is in it\n\n| component | version | end of life | licence |\n|---|---|---|---|")
	for _, name := range slices.Sorted(maps.Keys(x.Parts)) {
		if p := x.Parts[name]; p.Role == string(recipes.Install) || p.Role == string(recipes.Library) {
			line("| %s | %s | %s | %s |", name, p.Version, p.EOL, p.License)
		}
	}
	line("\nsbom.spdx.json lists more: the copies of others' code in these, and patches. provenance.intoto.json says how it was built, and\n`tlsfloor rebuild -against=index.json` whether the same comes out on a machine of yours.")
	return []byte(b.String())
}

func (w *writer) vulnerabilities(line func(string, ...any)) {
	switch {
	case w.Advisories == nil:
		line("Not looked up when this was made. `tlsfloor audit:pins -osv=<folder>` does that with today's advisories.")
		return
	case len(w.Advisories.Known) == 0:
		line("%d advisories were read when this was made, and none of them speaks of what is in it.", w.Advisories.Read)
		return
	}
	line("%d advisories were read when this was made. These speak of what is in it:\n\n| component | version | advisory | severity | fixed in | |\n|---|---|---|---|---|---|", w.Advisories.Read)
	for _, k := range w.Advisories.Known {
		fixed := strings.Join(k.Fixed, ", ")
		if !k.Sure {
			fixed = "not known: it names no version"
		}
		line("| %s | %s | %s | %s | %s | %s |", k.Component, k.Version, k.Advisory, k.Severity, fixed, strings.NewReplacer("|", `\|`, "\n", " ").Replace(k.Summary))
	}
}
