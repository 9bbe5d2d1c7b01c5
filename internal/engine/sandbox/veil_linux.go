package sandbox

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// shown is one entry that a veil lets through.
type shown struct {
	Name string
	Dir  bool   `json:",omitempty"`
	Link string `json:",omitempty"` // target, for a symbolic link
}

// veil is a system folder and what a build may see of it.
type veil struct {
	dir  string
	show []shown
}

func shows(list []shown, name string) bool {
	for _, s := range list {
		if s.Name == name {
			return true
		}
	}
	return false
}

// list returns all of dir's entries that a veil can let through.
func list(dir string) ([]shown, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := make([]shown, 0, len(entries))
	for _, e := range entries {
		switch s := (shown{Name: e.Name(), Dir: e.IsDir()}); {
		case e.Type()&fs.ModeSymlink != 0:
			if s.Link, err = os.Readlink(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			out = append(out, s)
		case e.IsDir(), e.Type().IsRegular():
			out = append(out, s)
		}
	}
	return out, nil
}

// veiled keeps hostVeils' answer for as long as the folders that it was read from stay unchanged:
// a package manager may run in the life of one process.
var veiled struct {
	sync.Mutex
	stamp string
	veils []veil
}

// hostVeils returns what has to be hidden of the system folders, outer folders first.
func hostVeils(ctx context.Context) ([]veil, error) {
	libs := libraryDirs()
	headers, _ := filepath.Glob("/usr/include/*-linux-*")
	stamp := stampOf(libs, pluginDirs(libs), headers, []string{"/usr/include", "/usr/local", "/usr/share", dpkgInfo, "/var/lib/rpm", "/usr/lib/sysimage/rpm"})
	veiled.Lock()
	defer veiled.Unlock()
	if veiled.stamp == stamp {
		return veiled.veils, nil
	}
	own, err := libcFiles(ctx)
	if err != nil {
		return nil, err
	}
	veils, err := veilsFor(own, libs)
	if err == nil {
		veiled.stamp, veiled.veils = stamp, veils
	}
	return veils, err
}

// veilsFor hides everything but own's files in the headers' folder and libs.
func veilsFor(own owner, libs []string) ([]veil, error) {
	var veils []veil
	if _, _, err := veilHeaders("/usr/include", own, &veils); err != nil {
		return nil, err
	}
	for _, dir := range libs {
		if err := veilLibraries(dir, own, &veils); err != nil {
			return nil, err
		}
		veilFolders(dir, &veils)
	}
	veilFolders("/usr/share", &veils)
	for _, dir := range pluginDirs(libs) {
		if err := veilPlugins(dir, &veils); err != nil {
			return nil, err
		}
	}
	if info, err := os.Lstat("/usr/local"); err == nil && info.IsDir() {
		veils = append(veils, veil{dir: "/usr/local"})
	}
	sort.SliceStable(veils, func(i, j int) bool { return veils[i].dir < veils[j].dir })
	return veils, nil
}

// libraryDirs returns the real folders that a linker searches by default.
func libraryDirs() []string {
	found, _ := filepath.Glob("/usr/lib*")
	for _, pattern := range []string{"/lib*", "/usr/lib/*-linux-*", "/lib/*-linux-*"} {
		more, _ := filepath.Glob(pattern)
		found = append(found, more...)
	}
	seen, dirs := map[string]bool{}, []string{}
	for _, dir := range found {
		real, err := filepath.EvalSymlinks(dir)
		if info, err2 := os.Stat(dir); err != nil || err2 != nil || !info.IsDir() || seen[real] {
			continue
		}
		if base := filepath.Base(real); base == "libexec" {
			continue
		}
		seen[real] = true
		dirs = append(dirs, real)
	}
	return dirs
}

func stampOf(dirs ...[]string) string {
	var b strings.Builder
	for _, dir := range slices.Concat(dirs...) {
		if info, err := os.Stat(dir); err == nil {
			b.WriteString(dir + " " + info.ModTime().Format(time.RFC3339Nano) + "\n")
		}
	}
	return b.String()
}

// veilHeaders shows of dir only what own holds, and reports whether that is all or any of it.
func veilHeaders(dir string, own owner, veils *[]veil) (all, some bool, err error) {
	entries, err := list(dir)
	if err != nil {
		if os.IsNotExist(err) {
			err = nil
		}
		return false, false, err
	}
	all = true
	var show []shown
	var inner []veil
	for _, e := range entries {
		path := filepath.Join(dir, e.Name)
		whole, part := own.file(path), false
		if e.Dir {
			whole, part = false, own.dir(path)
			if part {
				if whole, part, err = veilHeaders(path, own, &inner); err != nil {
					return false, false, err
				}
			}
		}
		if whole || part {
			show = append(show, e)
		}
		all = all && whole
	}
	if !all && len(show) > 0 || dir == "/usr/include" && !all {
		*veils = append(append(*veils, veil{dir, show}), inner...)
	}
	return all, len(show) > 0, nil
}

// veilLibraries hides from dir the linker names and static libraries that own does not hold. A folder with
// nothing to hide gets no veil.
func veilLibraries(dir string, own owner, veils *[]veil) error {
	entries, err := list(dir)
	if err != nil {
		if os.IsNotExist(err) {
			err = nil
		}
		return err
	}
	var show []shown
	for _, e := range entries {
		if !forDevelopment(e) || own.file(filepath.Join(dir, e.Name)) {
			show = append(show, e)
		}
	}
	if len(show) < len(entries) {
		*veils = append(*veils, veil{dir, show})
	}
	return nil
}

// veilFolders empties those folders below the library folders and /usr/share that describe what
// -dev packages brought.
func veilFolders(dir string, veils *[]veil) {
	for _, name := range []string{"pkgconfig", "cmake"} {
		path := filepath.Join(dir, name)
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			*veils = append(*veils, veil{dir: path})
		}
	}
}

// pluginsName is the folder, next to libraries, of the plug-ins that ar, nm, ranlib and ld load by
// themselves.
const pluginsName = "bfd-plugins"

func pluginDirs(libs []string) []string {
	var dirs []string
	for _, dir := range libs {
		path := filepath.Join(dir, pluginsName)
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			dirs = append(dirs, path)
		}
	}
	return dirs
}

// veilPlugins hides from dir all but GCC's own plug-in: whether LLVM is installed changes no build.
func veilPlugins(dir string, veils *[]veil) error {
	entries, err := list(dir)
	if err != nil {
		return err
	}
	v := veil{dir: dir}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, "liblto_plugin.so") {
			v.show = append(v.show, e)
		}
	}
	*veils = append(*veils, v)
	return nil
}

// forDevelopment tells what a -dev package brings to a library folder from what programs load when
// they run. lib<name>-<version>.so in a regular file is the latter (libbfd-2.40-system.so, without
// which there is no assembler; libc-2.28.so).
func forDevelopment(e shown) bool {
	name := e.Name
	if e.Dir || !strings.HasPrefix(name, "lib") {
		return false
	}
	switch filepath.Ext(name) {
	case ".a", ".la":
		return true
	case ".so":
		return e.Link != "" || !versionedName(name)
	}
	return false
}

func versionedName(name string) bool {
	for i := 0; i+1 < len(name); i++ {
		if name[i] == '-' && name[i+1] >= '0' && name[i+1] <= '9' {
			return true
		}
	}
	return false
}
