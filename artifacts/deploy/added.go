package deploy

import (
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// What is in a tree and not in its list was added by somebody. An addition is an alteration, because it can
// decide what `import ssl`, the interpreter's start or OpenSSL do, unless this rule says that people may have
// it there:
//
//   - In the python tree, below site-packages, bin, share, include, etc and man, people may add files,
//     links and folders: packages with pip, scripts, pages.
//   - But in site-packages no module by the name of sitecustomize, usercustomize or one of those of TLS,
//     and no .pth file with a line that does something: Python runs or follows those at every start. In a
//     folder below it whose name is none of a package no such module either: it is reached only where
//     something makes Python look for modules there.
//   - But in bin no folder, nothing by the name of one of our programs or of a module of the standard
//     library (a script imports from its own folder first), and no file that tells the interpreter where
//     its library lies.
//   - And nowhere what others can write to or own, what runs as another user, or what is no file, folder or
//     link.
//
// So the standard library, the OpenSSL tree and every other folder hold what was installed and nothing else.
// All .pyc files of the standard library were installed and Python never writes one there, so another one is
// an alteration too. A package's RECORD in site-packages (PEP 376, PEP 627) gives an addition its name, and
// excuses nothing. What a RECORD has is not listed by itself, but for .pth files and modules by those names.

// Added is something in a tree that its list does not have.
type Added struct {
	// component/path; of an alteration's folder, and not of what is in it
	Path    string `json:"path"`
	Alters  string `json:"alters,omitempty"`  // why it is an alteration; empty for what people may have there
	Package string `json:"package,omitempty"` // the package whose RECORD has it: a name and a version
}

// additions looks for what one component's list does not have.
type additions struct {
	dir, component string
	owner          uint32          // of the generation's folder, and so of everything in it
	listed         map[string]bool // the paths of the list
	library        map[string]bool // the names of the standard library's modules
	// a file of site-packages and around -> its package; nil until it is needed
	packages map[string]string
	found    []Added
}

var (
	mayBeAddedTo = regexp.MustCompile(`^(bin|share|include|etc|man|lib/python3\.\d+/site-packages)/`)
	sitePackages = regexp.MustCompile(`^lib/python3\.\d+/site-packages$`)
	stdlib       = regexp.MustCompile(`^lib/python3\.\d+(/lib-dynload)?$`)
	ourPrograms  = regexp.MustCompile(
		`^(python[0-9.]*[a-z]*(-config)?|.*\._pth|idle[0-9.]*|pydoc[0-9.]*|openssl.*|` +
			`c_rehash.*|pyvenv\.cfg|pybuilddir\.txt)$`,
	)
	namesOfTLS = regexp.MustCompile(`^(sitecustomize|usercustomize|_?ssl|_?hashlib|_?socket)$`)
	belowSite  = regexp.MustCompile(`^lib/python3\.\d+/site-packages/(.+)/[^/]+$`)
	packages   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$`)
	importable = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)(\.py|\.pyc|(\.[^.]+)?\.so)?$`)
)

// added lists what is in a component's folder below dir and not in its tree, sorted by path.
func added(dir, component string, tree store.Tree, owner fs.FileInfo) ([]Added, error) {
	a := &additions{dir: filepath.Join(dir, component), component: component, owner: uidOf(owner),
		listed: make(map[string]bool, len(tree)), library: map[string]bool{}}
	for _, e := range tree {
		a.listed[e.Path] = true
		if m := importable.FindStringSubmatch(
			path.Base(e.Path),
		); m != nil &&
			stdlib.MatchString(path.Dir(e.Path)) {
			a.library[m[1]] = true
		}
	}
	err := a.folder("")
	slices.SortFunc(a.found, func(a, b Added) int { return strings.Compare(a.Path, b.Path) })
	return a.found, err
}

func (a *additions) folder(rel string) error {
	entries, err := os.ReadDir(filepath.Join(a.dir, rel))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // the comparison with the list says so
	}
	for _, e := range entries {
		if err != nil {
			return err
		}
		inside := path.Join(rel, e.Name())
		switch {
		case !a.listed[inside]:
			err = a.entry(inside, e)
		case e.IsDir():
			err = a.folder(inside)
		}
	}
	return err
}

// entry judges one addition.
func (a *additions) entry(inside string, e fs.DirEntry) error {
	key := path.Join(a.component, inside)
	if key == TrustLink { // TrustAltered looks at it
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone in between
	}
	if err != nil {
		return err
	}
	alters := a.alters(inside, info)
	switch {
	case alters != "":
		a.found = append(a.found, Added{key, alters, a.packageOf(inside)})
	case e.IsDir():
		return a.folder(inside)
	case path.Base(path.Dir(inside)) == "__pycache__":
	case a.packageOf(inside) == "" || strings.HasSuffix(inside, ".pth") ||
		namesOfTLS.MatchString(module(inside)):
		a.found = append(a.found, Added{Path: key, Package: a.packageOf(inside)})
	}
	return nil
}

// alters says why an addition is an alteration; empty for one that people may have there.
func (a *additions) alters(inside string, info fs.FileInfo) string {
	if why := a.alien(info); why != "" {
		return why
	}
	switch key := path.Join(a.component, inside); {
	case key == path.Dir(TrustLink) && info.IsDir(): // linkTrust makes it where a tree has none
		return ""
	case key == TrustLink+keptAs && info.Mode().IsRegular(): // it was put in the link's place
		return ""
	case a.component != "python" || !mayBeAddedTo.MatchString(inside):
		return "only what was installed belongs there"
	}
	name, module := path.Base(inside), module(inside)
	switch dir := path.Dir(inside); {
	case dir == "bin":
		return a.altersPrograms(name, module, info)
	case !sitePackages.MatchString(dir):
		m := belowSite.FindStringSubmatch(inside)
		if m != nil && !packages.MatchString(m[1]) && namesOfTLS.MatchString(module) {
			return "no package has its folder: it waits for Python to look for modules there"
		}
	case namesOfTLS.MatchString(module):
		return "Python imports it at its start, or it passes for a module of TLS"
	case strings.HasSuffix(name, ".pth") && pathFileActs(filepath.Join(a.dir, inside)):
		return "Python runs or follows its lines at every start"
	}
	return ""
}

// alien says why an addition is an alteration wherever it is.
func (a *additions) alien(info fs.FileInfo) string {
	const others = 0o022
	link := info.Mode()&fs.ModeSymlink != 0
	switch uid := uidOf(info); {
	case !link && !info.IsDir() && !info.Mode().IsRegular():
		return "it is neither a file nor a folder nor a link"
	case info.Mode().IsRegular() && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return "it runs as another user"
	case uid != a.owner:
		return "user " + strconv.Itoa(int(uid)) + " owns it"
	case !link && info.Mode().Perm()&others != 0:
		return "others than its owner can write to it"
	}
	return ""
}

// module is the name by which a file or folder can be imported from its folder; empty for none.
func module(inside string) string {
	if m := importable.FindStringSubmatch(path.Base(inside)); m != nil {
		return m[1]
	}
	return ""
}

func (a *additions) altersPrograms(name, module string, info fs.FileInfo) string {
	switch {
	case info.IsDir() && name != "__pycache__":
		return "programs in bin look for modules and their library in folders there"
	case ourPrograms.MatchString(name):
		if target, err := os.Readlink(
			filepath.Join(a.dir, "bin", name),
		); err == nil &&
			a.listed["bin/"+target] {
			return "" // such as python, a link to python3
		}
		return "it has the name of a program of the toolchain, or tells that where its library lies"
	case module != name && (a.library[module] || namesOfTLS.MatchString(module)):
		return "scripts in bin import it in the place of Python's own " + module
	}
	return ""
}

// maxPathFile bounds a .pth file, and maxRecord a RECORD: their owners write them. A longer .pth is one that
// acts.
const (
	maxPathFile = 1 << 20
	maxRecord   = 64 << 20
)

// noPath is a line of a .pth file that every Python 3 takes for nothing: a comment, which begins with # in
// the first column and nowhere else, or white space. Anything else is run, or is a folder to import from,
// also where it begins with a space. What ends a line, and what the bytes mean, differs: CPython 3.9 and 3.11
// end one at CR and LF and decode by the locale, 3.13 ends one as str.splitlines does and decodes as UTF-8
// without a mark first (Lib/site.py, addpackage). So no line with another control character or a byte beyond
// ASCII is one.
var noPath = regexp.MustCompile(`^(#[\t -~]*|[\t ]*)$`)

// pathFileActs reports whether Python's site.py does something with a .pth file. One behind a link does: its
// text is somebody else's.
func pathFileActs(file string) bool {
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
		return true
	}
	f, err := openRegular(file, maxPathFile)
	if err != nil {
		return true
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPathFile+1))
	if err != nil || len(text) > maxPathFile {
		return true
	}
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
	return slices.ContainsFunc(lines, func(line string) bool { return !noPath.MatchString(line) })
}

// openRegular opens a file of at most max bytes, and nothing else.
func openRegular(file string, max int64) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not stop us
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > max {
		f.Close()
		return nil, errors.Join(fs.ErrInvalid, err)
	}
	return f, nil
}

// packageOf names the package whose RECORD has a file; empty without one.
func (a *additions) packageOf(inside string) string {
	if a.packages == nil {
		a.packages = map[string]string{}
		files, _ := filepath.Glob(
			filepath.Join(a.dir, "lib", "python3*", "site-packages", "*.dist-info", "RECORD"),
		)
		for _, file := range files {
			a.record(file)
		}
	}
	return a.packages[inside]
}

func (a *additions) record(file string) {
	info := filepath.Dir(file)
	site, err := filepath.Rel(a.dir, filepath.Dir(info))
	if err != nil {
		return
	}
	f, err := openRegular(file, maxRecord)
	if err != nil {
		return // then nothing is known of the package's files
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = -1, true, true
	for {
		line, err := r.Read()
		if err != nil {
			return
		}
		a.packages[path.Join(site, line[0])] = strings.TrimSuffix(filepath.Base(info), ".dist-info")
	}
}

func uidOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
