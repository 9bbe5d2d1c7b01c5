package audit

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// object is a file with code, or an archive of such.
type object struct {
	path    string
	name    string   // its DT_SONAME
	loader  string   // the program that starts it
	unclear []string // what of its needs cannot be told
	needed  []string
	runpath []string // with $ORIGIN replaced
	rpath   []string
	loads   []string // the names of libraries that it may load by dlopen(3)
	machine elf.Machine
	dynamic bool   // it has a dynamic section
	payload uint64 // where what its headers speak of ends
	own     []Stack
	crypto  string // the version of OpenSSL, where it is its libcrypto
	asked   bool   // it is one of those that the report is about
}

// Limits of what is looked at: bytes of a file, bytes of one in an archive, bytes and entries of an archive
// and of all in it, archives in each other.
const (
	maxFile    = 2 << 30
	maxMember  = 512 << 20
	maxBytes   = 8 << 30
	maxEntries = 500_000
	maxDepth   = 5
)

// place is where bytes stand: in a file, or in an archive in it. left is shared by all that is in one file.
type place struct {
	name  string // path, or path!member
	depth int
	left  *allowance
}

type allowance struct {
	bytes   int64
	entries int
}

// inner is a member's place.
func (p place) inner(name string) place {
	return place{p.name + "!" + strings.TrimPrefix(path.Clean("/"+name), "/"), p.depth + 1, p.left}
}

// headBytes are read of every file to tell what it is.
const headBytes = 2048

// what a file can be.
type kind int

const (
	plain kind = iota // nothing that could have a stack in it
	elfFile
	staticLibrary
	zipFile
	packed    // tar, compressed or not, a .deb, or one compressed file
	asarFile  // Electron's
	code      // looked at for marks: see form
	shell     // text that an interpreter reads, and that may have something behind it
	container // known, and not looked into
)

// magics are beginnings of files.
var magics = []struct {
	magic string
	at    int
	kind  kind
	form  form
	says  string // of a container
}{
	{elf.ELFMAG, 0, elfFile, native, ""},
	{arMagic + "debian-binary", 0, packed, 0, ""},
	{arMagic, 0, staticLibrary, native, ""},
	{thinMagic, 0, container, 0, "a thin archive, whose members are other files"},
	{"PK\x03\x04", 0, zipFile, 0, ""},
	{"PK\x05\x06", 0, zipFile, 0, ""},
	{"JM\x01\x00PK", 0, zipFile, 0, ""}, // a .jmod
	{"Cr24", 0, zipFile, 0, ""},         // a .crx
	{"\x1f\x8b", 0, packed, 0, ""},
	{"BZh", 0, packed, 0, ""},
	{"\xfd7zXZ\x00", 0, packed, 0, ""},
	{"\x28\xb5\x2f\xfd", 0, packed, 0, ""},
	{"\xca\xfe\xba\xbe", 0, code, java, ""},
	{"\xda\xda\xfe\xca", 0, code, java, ""}, // an image of modules (lib/modules), little endian
	{"\xca\xfe\xda\xda", 0, code, java, ""},
	{"FOR1", 0, code, erlang, ""},
	{"MZ", 0, code, managed | native, ""},
	{"\x00asm", 0, code, native, ""},
	{"\xcf\xfa\xed\xfe", 0, code, native, ""}, // Mach-O
	{"#!", 0, shell, script, ""},
	{"7z\xbc\xaf\x27\x1c", 0, container, 0, "a 7z archive"},
	{"Rar!\x1a\x07", 0, container, 0, "a rar archive"},
	{"\xed\xab\xee\xdb", 0, container, 0, "an rpm package"},
	{"hsqs", 0, container, 0, "a squashfs image"},
	{"sqsh", 0, container, 0, "a squashfs image"},
	{"070701", 0, container, 0, "a cpio archive"},
	{"070707", 0, container, 0, "a cpio archive"},
	{"\xc7\x71", 0, container, 0, "a cpio archive"},
	{"MSCF", 0, container, 0, "a cabinet"},
	{"xar!", 0, container, 0, "a xar archive"},
	{"LZIP", 0, container, 0, "a file packed with lzip"},
	{"\x04\x22\x4d\x18", 0, container, 0, "a file packed with lz4"},
	{"\x5d\x00\x00", 0, container, 0, "a file packed with lzma"},
	{"\xe2\xe1\xf5\xe0", 1024, container, 0, "an EROFS image"},
	{"XFSB", 0, container, 0, "an XFS image"},
	{"LUKS\xba\xbe", 0, container, 0, "an encrypted disk's image"},
	{"KDMV", 0, container, 0, "a disk image (VMDK)"},
	{"# Disk DescriptorFile", 0, container, 0, "a disk image (VMDK)"},
	{"conectix", 0, container, 0, "a disk image (VHD)"},
	{"vhdxfile", 0, container, 0, "a disk image (VHDX)"},
	{"\x7f\x10\xda\xbe", 64, container, 0, "a disk image (VDI)"},
	{"MSWIM\x00\x00\x00", 0, container, 0, "a Windows image"},
	{"\x45\x3d\xcd\x28", 0, container, 0, "a cramfs image"},
	{"-rom1fs-", 0, container, 0, "a romfs image"},
	{"\x1f\x9d\x90", 0, container, 0, "a file packed with compress"},
	{"\x89LZO\x00\r\n", 0, container, 0, "a file packed with lzop"},
	{"QFI\xfb", 0, container, 0, "a disk image"},
	{"SIF_MAGIC", 32, container, 0, "a container's image (SIF)"},
}

// scripts are names of files that an interpreter reads without a first line that says so.
var scripts = []string{".py", ".pyw", ".pyc", ".pyo", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".pm",
	".php", ".lua", ".tcl"}

// kindOf tells what a file is by its beginning, and of text by its name.
func kindOf(name string, head []byte) (kind, form, string) {
	if len(head) > 16 && string(head[:4]) == "\x04\x00\x00\x00" && strings.HasSuffix(name, ".asar") {
		return asarFile, script, ""
	}
	for _, m := range magics {
		if m.at < len(head) && bytes.HasPrefix(head[m.at:], []byte(m.magic)) && (m.kind != shell ||
			!bytes.Contains(head, []byte("SIF_MAGIC"))) {
			if m.magic == "\x5d\x00\x00" && !strings.HasSuffix(name, ".lzma") {
				continue // three bytes say little
			}
			return m.kind, m.form, m.says
		}
	}
	switch {
	case isTar(head):
		return packed, 0, ""
	case isExt(head):
		return container, 0, "an ext4 image"
	}
	if slices.Contains(scripts, strings.ToLower(path.Ext(name))) {
		return shell, script, ""
	}
	return plain, 0, ""
}

// content looks at bytes, whatever they are. What goes wrong is said of this place, and stops nothing. A file
// that is cut while it is mapped
// ends in a fault, and debug/elf says of itself that it is not made for hostile files: both are an error of
// this file.
func (a *auditor) content(ctx context.Context, at place, data []byte) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			a.unseen(at.name, Unreadable, fmt.Sprintf("reading it: %v", r))
		}
	}()
	kind, form, says := kindOf(at.name, data[:min(len(data), headBytes)])
	if kind == plain {
		kind, says = kindOfRest(bytes.NewReader(data), int64(len(data)))
	}
	switch kind {
	case elfFile:
		a.program(ctx, at, data)
	case staticLibrary:
		a.keep(&object{path: at.name, own: inside(compiled(data, scan(data)))}, int64(len(data)))
	case code:
		a.keep(&object{path: at.name, own: inside(evidence{hits: scan(data), form: form, data: data})},
			int64(len(data)))
	case shell:
		a.script(ctx, at, data)
	case zipFile, packed, asarFile:
		a.archive(ctx, at, kind, data)
	case container:
		a.unseen(at.name, Format, says+": unpack it, and audit the folder")
	}
}

// keep adds what was looked at.
func (a *auditor) keep(o *object, size int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if other := a.known[o.path]; other != nil && other != o { // a program, and an archive behind it
		other.own = append(other.own, o.own...)
		o = other
	}
	if !o.asked {
		a.report.Programs++
		a.report.Bytes += size
	}
	o.asked = true
	a.known[o.path] = o
	if archive, name, ok := cutLast(o.path); ok {
		if a.beside[archive] == nil {
			a.beside[archive] = map[string]string{}
		}
		a.beside[archive][path.Base(name)] = o.path
	}
}

// cutLast divides the name of a member from its archive's.
func cutLast(name string) (archive, member string, ok bool) {
	i := strings.LastIndexByte(name, '!')
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

// program looks at an ELF file, and at what stands behind it.
func (a *auditor) program(ctx context.Context, at place, data []byte) {
	o, err := parseELF(at.name, data)
	if err != nil {
		a.unseen(at.name, Unreadable, err.Error())
		return
	}
	if o == nil {
		a.unseen(at.name, Format, "an ELF file that is no program and no library, such as a core dump")
		return
	}
	a.keep(o, int64(len(data)))
	switch {
	case bytes.Contains(data[:min(len(data), 4096)], []byte("UPX"+"!")) ||
		bytes.Contains(data[max(0, len(data)-64):], []byte("UPX"+"!")):
		a.unseen(at.name, Packed, "packed with UPX: unpack it with upx -d, and audit it again")
		return
	case len(data) > 11 && string(data[8:10]) == "AI" && (data[10] == 1 || data[10] == 2):
		a.unseen(at.name, Format, "an AppImage: unpack it with --appimage-extract, and audit the folder")
		return
	}
	a.behind(ctx, at, data, o.payload)
}

// What names a library in a script, or does not.
var (
	libraryPath = regexp.MustCompile(`[A-Za-z0-9_.+/-]*lib[A-Za-z0-9_+-]+\.so[0-9.]*`)
	findLibrary = regexp.MustCompile(
		`find_library\(\s*["'](ssl|gnutls|ssl3|wolfssl|mbedtls|curl|bearssl)["']`)
	comments = regexp.MustCompile(`(?m)^\s*#.*$`)
)

// loaders are the words by which scripts load a library.
var loaders = []string{"CDLL", "LoadLibrary", "dlopen", "ffi."}

// script looks at text that an interpreter reads, for stacks that are written in its language, for libraries
// that it loads, and for what
// stands behind it.
func (a *auditor) script(ctx context.Context, at place, data []byte) {
	a.interpreterOf(at, data)
	h := scan(data)
	o := &object{path: at.name, own: inside(evidence{hits: h, form: script, data: data})}
	if (bytes.Contains(data, []byte(".so")) || bytes.Contains(data, []byte("find_library("))) &&
		slices.ContainsFunc(loaders, func(word string) bool { return bytes.Contains(data, []byte(word)) }) {
		text := comments.ReplaceAll(data, nil)
		for _, name := range libraryPath.FindAll(text, 100) {
			if filepath.IsAbs(string(name)) || soname(string(name)) != "" {
				o.loads = append(o.loads, string(name))
			}
		}
		for _, m := range findLibrary.FindAllSubmatch(text, 20) {
			o.loads = append(o.loads, "lib"+string(m[1])+".so")
		}
	}
	if len(o.own) > 0 || len(o.loads) > 0 {
		a.keep(o, int64(len(data)))
	}
	if end := textEnd(data); end >= 0 && path.Ext(at.name) != ".pyc" && path.Ext(at.name) != ".pyo" {
		a.behind(ctx, at, data, uint64(end))
	}
}

// textEnd is where the text of a script ends and something else begins, -1 if nothing does: behind the last
// line before the first zero
// byte or the first sign of an archive.
func textEnd(data []byte) int {
	i := bytes.IndexByte(data, 0)
	if i < 0 {
		return -1
	}
	for _, m := range []string{"\n\x1f\x8b\x08", "\nBZh", "\n\xfd7zXZ\x00", "\n\x28\xb5\x2f\xfd",
		"\nPK\x03\x04", "\n" + elf.ELFMAG} {
		if j := bytes.Index(data, []byte(m)); j >= 0 && j < i {
			i = j + 1
		}
	}
	if j := bytes.LastIndexByte(data[:i], '\n'); j >= 0 && j+1 != i {
		return j + 1
	}
	return i
}

// named are the libraries whose names stand in a program, but not those that it links: those stand between
// from and to.
func named(h hits, data []byte, from, to int, loads bool) (all []string) {
	if !loads {
		return nil
	}
	ofName := func(c byte) bool {
		return c == '.' || c == '-' || c == '_' || c == '+' || c == '/' || c >= '0' && c <= '9' || c >= 'a' &&
			c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for _, places := range h.names {
		for _, at := range places {
			if at >= from && at < to {
				continue
			}
			begin, end := at, at
			for begin > 0 && at-begin < 200 && ofName(data[begin-1]) {
				begin--
			}
			for end < len(data) && end-at < 100 && ofName(data[end]) {
				end++
			}
			name := string(data[begin:end])
			if !filepath.IsAbs(name) {
				name = string(data[at:end])
			}
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}
