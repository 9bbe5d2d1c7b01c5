package bundle

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// notice is a licence or a copyright file of a source.
type notice struct {
	file string
	text []byte
}

var noticeForm = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|copyright|notice)([._-].*)?$`)

const noticeLimit = 1 << 20 // bytes; a larger file of such a name is no licence

// isNotice picks files at the top of a source, and in a folder of the component's own name where it is one
// part of a larger source.
func isNotice(component, inside string, size int64) bool {
	dir := path.Dir(inside)
	return (dir == "." || dir == component) && size < noticeLimit && noticeForm.MatchString(path.Base(inside)) && !slices.Contains([]string{".c", ".h", ".py"}, path.Ext(inside))
}

func (p *part) readNotice(inside string, body io.Reader) error {
	text, err := io.ReadAll(body)
	if err == nil {
		p.notices = append(p.notices, notice{inside, text})
	}
	return err
}

// licences are the texts of all that is shipped, as one file.
func (f *facts) licences() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Licences of what %s holds, as they stand in the sources.\n", f.name)
	for _, p := range f.shipped() {
		if len(p.notices) == 0 {
			p.notices = []notice{{"no file of its own", []byte("The source has no file of that kind; the recipe says " + p.Recipe.License + ".")}}
		}
		slices.SortFunc(p.notices, func(a, b notice) int { return strings.Compare(a.file, b.file) })
		for _, n := range p.notices {
			fmt.Fprintf(&b, "\n%s\n%s %s (%s): %s\n%s\n\n", strings.Repeat("=", 80), p.Recipe.Name, p.Recipe.Version, p.Recipe.License, n.file, strings.Repeat("=", 80))
			b.Write(bytes.TrimRight(n.text, "\n"))
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
