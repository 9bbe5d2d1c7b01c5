package audit

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// wants notes what the loader brings for a program or a library, and what of it depends on more than the
// file. Filters and auditors are loaded like what is linked (System V ABI, Dynamic Section; rtld-audit(7)).
func (i *image) wants(o *object) {
	expand := func(text string) string {
		text, unclear := i.expand(text, filepath.Dir(o.path))
		if unclear != "" {
			o.unclear = append(o.unclear, unclear)
		}
		return text
	}
	for _, tag := range []elf.DynTag{elf.DT_NEEDED, elf.DT_AUXILIARY, elf.DT_FILTER} {
		for _, name := range i.list(tag) {
			o.needed = append(o.needed, expand(name))
		}
	}
	for _, tag := range []elf.DynTag{elf.DT_AUDIT, elf.DT_DEPAUDIT} {
		for _, name := range strings.Split(strings.Join(i.list(tag), ":"), ":") {
			if name != "" {
				o.needed = append(o.needed, expand(name))
			}
		}
	}
	folders := func(tag elf.DynTag) (all []string) {
		list := i.list(tag)
		if len(list) == 0 {
			return nil
		}
		for _, folder := range strings.Split(strings.Join(list, ":"), ":") {
			if folder = expand(folder); filepath.IsAbs(folder) {
				all = append(all, folder)
			} else if !strings.Contains(folder, "$") {
				o.unclear = append(o.unclear, fmt.Sprintf(
					"its %s has %q, a folder that depends on where it is started",
					strings.TrimPrefix(tag.String(), "DT_"), folder))
			}
		}
		return all
	}
	o.runpath, o.rpath = folders(elf.DT_RUNPATH), folders(elf.DT_RPATH)
	for _, name := range i.list(elf.DT_SONAME) {
		o.name = name
	}
	for _, p := range i.Progs {
		if p.Type == elf.PT_INTERP {
			o.loader = text(i.part(p.Off, p.Filesz), 0)
		}
	}
}

// tokens are what the loader fills into names and folders (ld.so(8), Dynamic string tokens).
var tokens = regexp.MustCompile(`\$(?:(?:ORIGIN|LIB|PLATFORM)\b|\{(?:ORIGIN|LIB|PLATFORM)\})`)

// expand fills them in as the loader of this machine does; what it cannot is said.
func (i *image) expand(text, origin string) (filled, unclear string) {
	filled = tokens.ReplaceAllStringFunc(text, func(token string) string {
		switch strings.Trim(token, "${}") {
		case "ORIGIN":
			return origin
		case "LIB":
			if folder := libFolder(i.Machine); folder != "" {
				return folder
			}
		}
		unclear = fmt.Sprintf("what %s is in %q depends on the machine", token, text)
		return token
	})
	return filled, unclear
}

// libFolder is what $LIB is on this machine, where its C library stands.
func libFolder(m elf.Machine) string {
	folders := map[elf.Machine][]string{
		elf.EM_X86_64:  {"lib/x86_64-linux-gnu", "lib64", "lib"},
		elf.EM_AARCH64: {"lib/aarch64-linux-gnu", "lib64", "lib"},
		elf.EM_386:     {"lib/i386-linux-gnu", "lib32", "lib"},
	}
	for _, folder := range folders[m] {
		if sameMachine("/"+folder+"/libc.so.6", m) || sameMachine("/usr/"+folder+"/libc.so.6", m) {
			return folder
		}
	}
	return ""
}

// system are names of the C library, the compilers' and the loader: they have no TLS, and need not be there
// where programs for another system are audited.
var system = regexp.MustCompile(`^(ld-linux[\w-]*|ld-musl-\w+|ld64|ld|libc|libm|libmvec|libpthread|libdl|` +
	`librt|libutil|libresolv|libnsl|libanl|libcrypt|libgcc_s|libstdc\+\+|libatomic|libgomp|` +
	`libc\.musl-\w+)\.so(\.\d+)*$`)

// standard are the folders in which a program's loader stands.
var standard = regexp.MustCompile(`^(/usr)?/(lib|lib32|lib64|libx32|lib/[\w-]+-linux-\w+)/[^/]+$`)

// unclear says what an object asks of the loader, and the audit cannot tell.
func (a *auditor) unclear(o *object) {
	if a.mapped {
		return
	}
	for _, text := range o.unclear {
		a.unseen(o.path, Elsewhere, text)
	}
	for _, folder := range slices.Concat(o.runpath, o.rpath) {
		if _, err := os.Stat(folder); err != nil && there(folder, err) ||
			err == nil && unix.Access(folder, unix.X_OK) != nil {
			a.unseen(o.path, Unreadable, "it may load from "+folder+", which you may not look into")
		}
	}
	if o.loader != "" && !slices.Contains(o.needed, o.loader) && !(standard.MatchString(o.loader) &&
		system.MatchString(filepath.Base(o.loader))) {
		if filepath.IsAbs(o.loader) {
			o.needed = append(o.needed, o.loader)
		}
		a.unseen(o.path, Elsewhere, "it is started by "+o.loader+", and what that loads cannot be told")
	}
}

// missing says that a library was not found, unless it is one of the system's.
func (a *auditor) missing(o *object, name string) {
	if !a.mapped && !system.MatchString(name) {
		a.unseen(o.path, Elsewhere, "the loader finds no "+name+" here, which it links")
	}
}

// byName lists libraries by their own names and their files'.
func byName(all []*object) map[string][]*object {
	named := map[string][]*object{}
	for _, o := range all {
		base := filepath.Base(o.path)
		if named[base] = append(named[base], o); o.name != "" && o.name != base {
			named[o.name] = append(named[o.name], o)
		}
	}
	return named
}

// sameName are the libraries of a tree that have a name which the loader does not find: where one of them is
// loaded already, by a program or from Python, it takes that.
func (a *auditor) sameName(l loading, name string) (all []loading) {
	for _, o := range a.named[name] {
		if o != l.object && (o.machine == l.machine || l.machine == elf.EM_NONE) {
			all = append(all, loading{object: o, via: slices.Concat(l.via, []string{o.path}),
				rpaths: l.handedOn(), may: l.may})
		}
	}
	return all
}

// faster are the files of a library for newer processors, which the loader prefers (ld.so(8), glibc-hwcaps).
func (a *auditor) faster(path string) []string {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "glibc-hwcaps", "*", filepath.Base(path)))
	return found
}
