package audit

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxText is the size of a file that says where code is found, in bytes: what is longer is none.
const maxText = 16 << 20

// whole reads such a file. One that cannot be read whole is a gap; one that is not there says nothing.
func (a *auditor) whole(path string) string {
	if _, err := os.Stat(path); err != nil && !there(path, err) {
		return ""
	}
	f, err := openRegular(path)
	if err != nil {
		a.unseen(path, Unreadable, cause(err))
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		a.unseen(path, Unreadable, cause(err))
	case len(data) > maxText:
		if isText(data) {
			a.unseen(path, TooBig, fmt.Sprintf("more than %d bytes of text", maxText))
		}
		return ""
	}
	return string(data)
}

// isText tells text from the weights of a model, which have the same name.
func isText(data []byte) bool { return bytes.IndexByte(data[:min(len(data), maxText)], 0) < 0 }

// changes are what Python does that brings in code from elsewhere.
var changes = regexp.MustCompile(`sys\.path\b|sys\.meta_path|path_hooks|addsitedir|exec\(|eval\(|runpy|CDLL|` +
	`b64decode|addpackage|from\s+sys\s+import|from\s+site\s+import|getattr\(\s*(sys|site)\b|` +
	`spec_from_file_location|(Source|Sourceless|Extension)\w*FileLoader`)

// finders are what stands in lines by which setuptools and virtualenv see to distutils; they find nothing
// elsewhere.
var finders = regexp.MustCompile(
	`sys\.meta_path\.(insert\(0, (DISTUTILS_FINDER|_Finder\(\))\)|remove\(DISTUTILS_FINDER\))|` +
		`DISTUTILS_FINDER in sys\.meta_path`)

// pth reads a file of folders, and of lines of Python that run when it starts (addpackage() of site.py). It
// is read as every release of Python does: before 3.13 lines end with a line feed or a return, now with all
// that str.splitlines() knows too.
func (a *auditor) pth(path string) {
	text := strings.TrimPrefix(a.whole(path), "\ufeff")
	if !utf8.ValidString(text) {
		if isText([]byte(text)) || strings.HasSuffix(filepath.Dir(path), "-packages") {
			a.unseen(path, Format, "it is no text in UTF-8, and what Python makes of it depends on its locale")
		}
		return
	}
	ends := func(r rune) bool { return r == '\n' || r == '\r' }
	all := strings.FieldsFunc(text, ends)
	if strings.ContainsAny(text, lineEnds) {
		all = append(all, strings.FieldsFunc(text, func(r rune) bool {
			return ends(r) || strings.ContainsRune(lineEnds, r)
		})...)
	}
	for _, line := range all {
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "import\t"):
			if changes.MatchString(line) && !a.quoted(path, line) {
				a.unseen(path, Elsewhere, "a line of Python in it changes where modules are found, and the "+
					"place does not stand in it")
			}
			a.imported(filepath.Dir(path), line)
		default:
			if line = strings.TrimRight(line, " \t\v\f"); !filepath.IsAbs(line) {
				line = filepath.Join(filepath.Dir(path), line)
			}
			a.outside(path, line)
		}
	}
}

// lineEnds are those of str.splitlines() that a file's own reading does not know.
const lineEnds = "\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

var imports = regexp.MustCompile(
	`\bimport\s+([\w., \t]+)|\bfrom\s+([\w.]+)\s+import|(?:__import__|import_module)\(\s*["']([\w.]+)`)

// imported looks at the modules beside a .pth file that a line in it imports.
func (a *auditor) imported(dir, line string) {
	for _, m := range imports.FindAllStringSubmatch(line, -1) {
		for name := range strings.SplitSeq(m[1]+","+m[2]+","+m[3], ",") {
			if words := strings.Fields(name); len(words) > 0 {
				a.module(dir, words[0])
			}
		}
	}
}

// module looks at a module of a folder and at the packages around it.
func (a *auditor) module(dir, name string) {
	at := dir
	for part := range strings.SplitSeq(name, ".") {
		if at = filepath.Join(at, part); part == "" {
			return
		}
		for _, path := range []string{at + ".py", at + ".pyc", at + "/__init__.py", at + "/__init__.pyc"} {
			a.atStart(path)
		}
	}
}

// startsWithPython reports whether Python imports a file when it starts, wherever on its path it stands.
func startsWithPython(path string) bool {
	starts := []string{"sitecustomize", "usercustomize"}
	name, ext := filepath.Base(path), filepath.Ext(path)
	stem := strings.TrimSuffix(name, ext)
	if stem == "__init__" {
		stem = filepath.Base(filepath.Dir(path))
	}
	return slices.Contains(starts, stem) && (ext == ".py" || ext == ".pyc")
}

// atStart looks at a module that runs when Python starts: where it brings in code from elsewhere, the place
// is followed, and where that does not stand in it, it is a gap.
func (a *auditor) atStart(path string) {
	text := a.whole(path)
	if text == "" {
		return
	}
	if strings.HasSuffix(path, ".pyc") {
		a.unseen(path, Format, "it runs when Python starts, and its source is not there")
		return
	}
	text = finders.ReplaceAllString(comments.ReplaceAllString(text, ""), "")
	if changes.MatchString(text) && !a.quoted(path, text) {
		a.unseen(path, Elsewhere, "it runs when Python starts and changes where modules are found, and the "+
			"place does not stand in it")
	}
}

var quotedPath = regexp.MustCompile(`["'](/[^"'\n]*)["']`)

// quoted follows the paths that stand in a text of Python, and reports whether there was one.
func (a *auditor) quoted(link, text string) (found bool) {
	for _, m := range quotedPath.FindAllStringSubmatch(text, -1) {
		found = a.outside(link, m[1]) || found
	}
	return found
}
