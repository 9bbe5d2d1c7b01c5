package audit

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// environment follows what a file says of where else Python, or a script, finds code.
func (a *auditor) environment(path string) {
	name := filepath.Base(path)
	switch {
	case name == "pyvenv.cfg":
		a.virtual(path)
	case strings.HasSuffix(name, ".pth"):
		a.pth(path)
	case strings.HasSuffix(name, ".egg-link"):
		if all := lines(path, 1); len(all) == 1 {
			a.outside(path, strings.TrimSpace(all[0]))
		}
	case strings.HasPrefix(name, "__editable__") && strings.HasSuffix(name, ".py"):
		a.quoted(path, strings.Join(lines(path, 10_000), "\n"))
	}
}

// outside adds a file or folder that a file of the tree leads to.
func (a *auditor) outside(link, target string) bool {
	real, err := filepath.EvalSymlinks(target)
	if err != nil || !filepath.IsAbs(real) {
		return false
	}
	info, err := os.Stat(real)
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return false
	}
	if a.within(real) {
		link = ""
	}
	a.later(real, link)
	return true
}

// virtual adds the Python that a virtual environment is of, which stands outside of it: the program, its
// extension modules (PEP 405), and
// where the environment says so all that is installed for it.
func (a *auditor) virtual(cfg string) {
	set := map[string]string{}
	for _, line := range lines(cfg, 100) {
		if key, value, ok := strings.Cut(line, "="); ok {
			set[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	for _, key := range []string{"executable", "base-executable"} {
		if filepath.IsAbs(set[key]) {
			a.outside(cfg, set[key])
		}
	}
	home := set["home"]
	if !filepath.IsAbs(home) {
		return
	}
	a.outside(cfg, filepath.Join(home, "python3"))
	version := set["version"]
	if version == "" {
		version = set["version_info"]
	}
	a.python(cfg, filepath.Dir(home), version)
	if strings.EqualFold(set["include-system-site-packages"], "true") {
		a.sitePackages(cfg, filepath.Dir(home), version)
	}
}

// python adds the extension modules of a Python, and what is loaded with it.
func (a *auditor) python(link, prefix, version string) {
	for _, pattern := range []string{filepath.Join(prefix, "lib*", minor(version), "lib-dynload", "*.so"),
		filepath.Join(prefix, "bin", "python3")} {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			a.outside(link, path)
		}
	}
}

// minor is the folder's name of a version such as 3.13.15, or a pattern for all.
func minor(version string) string {
	if parts := strings.Split(version, "."); len(parts) >= 2 &&
		regexp.MustCompile(`^\d+\.\d+$`).MatchString(parts[0]+"."+parts[1]) {
		return "python" + parts[0] + "." + parts[1]
	}
	return "python3*"
}

// sitePackages adds what is installed for a Python: by itself, by Debian, by an administrator, and by the
// user.
func (a *auditor) sitePackages(link, prefix, version string) {
	patterns := []string{"lib*/" + minor(version) + "/site-packages", "lib*/" + minor(version) +
		"/dist-packages", "local/lib*/" + minor(version) + "/*-packages", "lib/python3/dist-packages"}
	for n, p := range patterns {
		patterns[n] = filepath.Join(prefix, p)
	}
	if home, err := os.UserHomeDir(); err == nil {
		patterns = append(patterns, filepath.Join(home, ".local/lib", minor(version), "site-packages"))
	}
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			a.outside(link, path)
		}
	}
}

// changes are what a line of a .pth file does that brings in code from elsewhere.
var changes = regexp.MustCompile(
	`sys\.path\b|sys\.meta_path|addsitedir|exec\(|eval\(|runpy|CDLL|b64decode|addpackage`)

// pth reads a file of folders, and of lines of Python that run when it starts (site.py of Python).
func (a *auditor) pth(path string) {
	for _, line := range lines(path, 10_000) {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "import\t"):
			if changes.MatchString(line) && !a.quoted(path, line) {
				a.unseen(path, Elsewhere,
					"a line of Python in it changes where modules are found, and the place does not stand "+
						"in it")
			}
		case filepath.IsAbs(line):
			a.outside(path, line)
		default:
			a.outside(path, filepath.Join(filepath.Dir(path), line))
		}
	}
}

var quotedPath = regexp.MustCompile(`["'](/[^"'\n]*)["']`)

// quoted follows the paths that stand in a text of Python, and reports whether there was one.
func (a *auditor) quoted(link, text string) (found bool) {
	for _, m := range quotedPath.FindAllStringSubmatch(text, 1000) {
		found = a.outside(link, m[1]) || found
	}
	return found
}

// editable follows the folder that a package was installed from, where it is imported from there (PEP 610).
func (a *auditor) editable(dir string) {
	file := filepath.Join(dir, "direct_url.json")
	var direct struct {
		URL string `json:"url"`
		Dir struct {
			Editable bool `json:"editable"`
		} `json:"dir_info"`
	}
	if json.Unmarshal([]byte(strings.Join(lines(file, 1000), "\n")), &direct) != nil || !direct.Dir.Editable {
		return
	}
	if u, err := url.Parse(direct.URL); err == nil && u.Scheme == "file" {
		a.outside(file, u.Path)
	}
}

// interpreterOf follows the first line of a script that can be run to a program outside of the tree, or the
// second, where installers put a
// path that is too long for the first. Of a Python its modules are looked at too.
func (a *auditor) interpreterOf(at place, data []byte) {
	if a.root == "" || at.depth > 0 || !bytes.HasPrefix(data, []byte("#!")) {
		return
	}
	if info, err := os.Stat(at.name); err != nil || info.Mode()&0o111 == 0 {
		return
	}
	first, rest, _ := bytes.Cut(data[2:min(len(data), 4096)], []byte("\n"))
	words := strings.Fields(string(first))
	if after, ok := bytes.CutPrefix(rest, []byte("'''exec' ")); ok {
		line, _, _ := bytes.Cut(after, []byte("\n"))
		words = strings.Fields(strings.ReplaceAll(string(line), `"`, ""))
	}
	if len(words) == 0 {
		return
	}
	program := words[0]
	if filepath.Base(program) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool {
			return strings.HasPrefix(w, "-") ||
				strings.Contains(w, "=")
		})
		if len(words) == 0 {
			return
		}
		program = a.search(at.name, words[0])
	}
	real, err := filepath.EvalSymlinks(program)
	if err != nil || !filepath.IsAbs(real) || a.within(real) {
		return
	}
	a.outside(at.name, real)
	if strings.HasPrefix(filepath.Base(real), "python3") {
		prefix := filepath.Dir(filepath.Dir(real))
		a.python(at.name, prefix, strings.TrimPrefix(filepath.Base(real), "python"))
		a.sitePackages(at.name, prefix, strings.TrimPrefix(filepath.Base(real), "python"))
	}
}

// search finds a program as env(1) does for whoever has the tree's own folder of programs first in PATH.
func (a *auditor) search(script, name string) string {
	var folders []string
	for dir := filepath.Dir(script); a.within(dir); dir = filepath.Dir(dir) {
		folders = append(folders, filepath.Join(dir, "bin"))
		if dir == a.root {
			break
		}
	}
	for _, folder := range append(folders, "/usr/local/bin", "/usr/bin", "/bin") {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
