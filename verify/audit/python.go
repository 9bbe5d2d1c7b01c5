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
		if first, _, _ := strings.Cut(a.whole(path), "\n"); strings.TrimSpace(first) != "" {
			a.outside(path, strings.TrimSpace(first))
		}
	case strings.HasPrefix(name, "__editable__") && strings.HasSuffix(name, ".py"):
		a.quoted(path, a.whole(path))
	case startsWithPython(path):
		a.atStart(path)
	}
}

// outside adds a file or folder that a file of the tree leads to, and reports whether something is there.
// What cannot be told is a gap.
func (a *auditor) outside(link, target string) bool {
	real, err := resolved(target)
	if err != nil || !filepath.IsAbs(real) {
		if there(target, err) {
			a.unseen(link, Unreadable, "it leads to "+target+": "+cause(err))
		}
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
// extension modules (PEP 405), and all that is installed for it, unless the environment says that it is not
// used (venv() of Python's site.py; where a key stands twice, each value counts).
func (a *auditor) virtual(cfg string) {
	set := map[string][]string{}
	for _, line := range strings.FieldsFunc(a.whole(cfg), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if key, value, ok := strings.Cut(line, "="); ok {
			key = strings.ToLower(strings.TrimSpace(key))
			set[key] = append(set[key], strings.TrimSpace(value))
		}
	}
	for _, program := range append(set["executable"], set["base-executable"]...) {
		if filepath.IsAbs(program) {
			a.outside(cfg, program)
		}
	}
	version := ""
	if all := append(set["version"], set["version_info"]...); len(all) > 0 {
		version = all[0]
	}
	shared := set["include-system-site-packages"]
	for _, home := range set["home"] {
		if !filepath.IsAbs(home) {
			a.unseen(cfg, Elsewhere, "its Python is at "+home+", which depends on where it is started")
			continue
		}
		a.outside(cfg, filepath.Join(home, "python3"))
		a.python(cfg, filepath.Dir(home), version)
		if len(shared) == 0 || slices.ContainsFunc(shared, func(v string) bool {
			return strings.EqualFold(v, "true")
		}) {
			a.sitePackages(cfg, filepath.Dir(home), version)
		}
	}
}

// python adds the extension modules of a Python, and what is loaded with it.
func (a *auditor) python(link, prefix, version string) {
	for _, pattern := range []string{filepath.Join(prefix, "lib*", minor(version), "lib-dynload", "*.so"),
		filepath.Join(prefix, "lib*", minor(version), "*customize.py"),
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

// editable follows the folder that a package was installed from, where it is imported from there (PEP 610).
func (a *auditor) editable(dir string) {
	file := filepath.Join(dir, "direct_url.json")
	var direct struct {
		URL string `json:"url"`
		Dir struct {
			Editable bool `json:"editable"`
		} `json:"dir_info"`
	}
	if json.Unmarshal([]byte(a.whole(file)), &direct) != nil || !direct.Dir.Editable {
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
