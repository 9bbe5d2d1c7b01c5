package bump

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/recipes"
)

var versionLine = regexp.MustCompile(`(?m)^  - version: "?([^"\n]+)"?\n`)

// Recipe puts the version of c before the version old into the text of a recipe. What is not said of sources
// stays as it is with old.
func Recipe(text, old string, c Candidate, vouched string) (string, error) {
	at := versionLine.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		if text[m[2]:m[3]] != old {
			continue
		}
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		} else if next := regexp.MustCompile(`(?m)^[a-z]`).FindStringIndex(text[m[0]:]); next != nil {
			end = m[0] + next[0]
		}
		head, _, ok := strings.Cut(text[m[0]:end], "    sources:\n")
		if !ok {
			return "", fmt.Errorf("version %s has no sources of its own", old)
		}
		return text[:m[0]] + strings.Replace(head, old, c.Version, 1) + "    sources:\n" + sourceText(c.Source, vouched) + "\n" + text[m[0]:], nil
	}
	return "", fmt.Errorf("there is no version %s in it", old)
}

// Overlay is a recipe of the one version of c, to lay over that of r.
func Overlay(r *recipes.Recipe, c Candidate, vouched string) string {
	text := "name: " + r.Name + "\nversions:\n  - version: " + strconv.Quote(c.Version) + "\n"
	if !r.EOL.IsZero() {
		text += "    eol: " + r.EOL.Format(time.DateOnly) + "\n"
	}
	if r.FIPS != "" {
		text += "    fips: " + strconv.Quote(r.FIPS) + "\n"
	}
	return text + "    sources:\n" + sourceText(c.Source, vouched)
}

// sourceText is the source as recipes have it.
func sourceText(s recipes.Source, vouched string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	urls := func(indent string, all []string) {
		if len(all) > 0 {
			line("%surls:", indent)
		}
		for _, u := range all {
			line("%s  - %s", indent, u)
		}
	}
	line("      - file: %s", s.File)
	line("        sha256: %s", s.SHA256)
	line("        size: %d", s.Size)
	urls("        ", s.URLs)
	if s.Apt != nil {
		line("        apt: {package: %s, file: %s}", s.Apt.Package, s.Apt.File)
	}
	if g := s.Signature; g != nil {
		line("        signature:")
		line("          file: %s", g.File)
		if !g.SHA256.IsZero() {
			line("          sha256: %s", g.SHA256)
		}
		urls("          ", g.URLs)
		if g.Apt != nil {
			line("          apt: {package: %s, file: %s}", g.Apt.Package, g.Apt.File)
		}
		line("          key: %s", g.Key)
	} else {
		line("        signature: none")
		line("        unsigned: %s", s.Unsigned)
	}
	line("        vouched: >-")
	for _, l := range wrapped(vouched, 96) {
		line("          %s", l)
	}
	return b.String()
}

func wrapped(text string, width int) (lines []string) {
	now := ""
	for _, word := range strings.Fields(text) {
		if now != "" && len(now)+1+len(word) > width {
			lines = append(lines, now)
			now = ""
		}
		now = strings.TrimSpace(now + " " + word)
	}
	return append(lines, now)
}

// Profile puts the version v of the component in the place of old into the text of a profile, and reports
// whether it was there.
func Profile(text, component, old, v string) (string, bool) {
	line := regexp.MustCompile(`(?m)^(  ` + regexp.QuoteMeta(component) + `: "?)` + regexp.QuoteMeta(old) + `("?)$`)
	return line.ReplaceAllString(text, "${1}"+v+"${2}"), line.MatchString(text)
}
