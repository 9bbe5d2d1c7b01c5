package bump

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/recipes"
)

// Page is a page of upstream's on which versions are listed, and how they stand there.
type Page struct {
	URL   string
	match string // with the old version in it
}

// Pages are those of the source. A forge lists its tags without an account in what git reads first
// (gitprotocol-http(5)); elsewhere the folder above the first that has the version in its name is a list.
func Pages(s recipes.Source, old string) (all []Page) {
	for _, raw := range s.URLs {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
		at := slices.IndexFunc(parts, func(p string) bool { return strings.Contains(p, old) })
		var p Page
		switch {
		case at < 0:
			continue
		case u.Host == "github.com" && len(parts) > 4 && parts[2] == "releases":
			u.Path, u.RawQuery = "/"+parts[0]+"/"+parts[1]+".git/info/refs", "service=git-upload-pack"
			p = Page{u.String(), "refs/tags/" + parts[at] + "\n"}
		default:
			end := `"`
			if at < len(parts)-1 {
				end = `/"`
			}
			u.Path = "/" + strings.Join(parts[:at], "/") + "/"
			p = Page{u.String(), `"` + parts[at] + end}
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// Candidates are the versions newer than old of the source that the page's text lists.
func (p Page) Candidates(text string, s recipes.Source, old string, sameSeries bool) (all []Candidate) {
	names := pattern(p.match, old)
	if names == nil {
		return nil
	}
	for _, m := range names.FindAllStringSubmatch(text, -1) {
		if newer(m[1], old, sameSeries) {
			c := Candidate{Version: m[1], Source: renamed(s, old, m[1])}
			c.Source.Apt = nil
			if c.Source.Signature != nil {
				c.Source.Signature.Apt = nil
			}
			all = append(all, c)
		}
	}
	return all
}
