package elfpolicy

import (
	"debug/elf"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Rule is a rule's name.
type Rule string

// The rules.
const (
	Readable  Rule = "readable"
	Needed    Rule = "needed"
	Search    Rule = "search-path"
	PIE       Rule = "pie"
	RELRO     Rule = "relro"
	BindNow   Rule = "bind-now"
	Stack     Rule = "stack"
	Text      Rule = "text"
	Protector Rule = "stack-protector"
	Fortify   Rule = "fortify"
	Exports   Rule = "exports"
	Methods   Rule = "methods"
)

// law is one row of the policy: judge returns what is wrong with an object of one of the kinds, nothing if
// all is well.
type law struct {
	rule  Rule
	kinds []kind
	judge func(s *scan, o *object) []string
	why   string
}

var laws = []law{
	{Needed, []kind{program, shared}, neededBreaches,
		"whatever else it loads could be another machine's, or exchanged under it"},
	{Search, []kind{program, shared}, searchBreaches,
		"there is nothing of ours to search for, and a build folder on the path belongs to whoever makes it again"},
	{PIE, []kind{program}, pieBreaches,
		"a program at a fixed address has none of its code randomised"},
	{RELRO, []kind{program, shared}, relroBreaches,
		"what the loader has resolved must not stay writable"},
	{BindNow, []kind{program, shared}, bindBreaches,
		"only a table that is resolved at the start can be made read-only whole"},
	{Stack, []kind{program, shared, relocatable}, stackBreaches,
		"one object that asks for it makes the stack of the whole process executable"},
	{Text, []kind{program, shared}, textBreaches,
		"code that is written to when it is loaded has to be writable, and is shared with no other process"},
	{Protector, []kind{program, shared, library}, protectorBreaches,
		"a write beyond an array on the stack must end the process, not return to somewhere else"},
	{Fortify, []kind{program, shared, library}, fortifyBreaches,
		"the C library's checked calls stop writes beyond what the compiler knows of a buffer"},
	{Exports, []kind{program, shared}, exportBreaches,
		"an extension that brings its own copy of a library would bind to ours, of another version"},
	{Methods, []kind{program, shared, relocatable, library}, methodBreaches,
		"a method of one version speaks that version whatever the protocol's switches say"},
}

// Why returns the reason of a rule.
func Why(r Rule) string {
	i := slices.IndexFunc(laws, func(l law) bool { return l.rule == r })
	if i < 0 {
		return "what cannot be read proves nothing"
	}
	return laws[i].why
}

func (s *scan) judge(o *object) {
	for _, l := range laws {
		if !s.asked(l.rule) || !slices.Contains(l.kinds, o.kind) {
			continue
		}
		for _, detail := range l.judge(s, o) {
			s.find(o.path, l.rule, "%s", detail)
		}
	}
}

// allowed lists what may be loaded: the parts of the C library.
var allowed = []string{
	"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
}

func neededBreaches(_ *scan, o *object) []string {
	var out []string
	for _, name := range o.needed {
		if !slices.Contains(allowed, name) {
			out = append(out, fmt.Sprintf("loads %s, which is no part of the C library", name))
		}
	}
	if slices.Contains(o.versions, "GLIBC_PRIVATE") {
		out = append(out, "uses the C library's private symbols (GLIBC_PRIVATE), which change with every version")
	}
	return out
}

func searchBreaches(_ *scan, o *object) []string {
	var out []string
	for _, path := range o.search {
		out = append(out, "looks for libraries in "+path)
	}
	return out
}

func when(broken bool, detail string) []string {
	if broken {
		return []string{detail}
	}
	return nil
}

func pieBreaches(_ *scan, o *object) []string {
	return when(o.file.Type == elf.ET_EXEC, "a program at a fixed address: compile it with -fPIE, link it with -pie")
}

func relroBreaches(_ *scan, o *object) []string {
	return when(o.segment(elf.PT_GNU_RELRO) == nil, "no part of it becomes read-only: link it with -Wl,-z,relro")
}

func bindBreaches(_ *scan, o *object) []string {
	return when(!o.bindNow, "resolves its calls while it runs: link it with -Wl,-z,now")
}

func textBreaches(_ *scan, o *object) []string {
	out := when(o.textRel, "its code is changed when it is loaded: compile it with -fPIC")
	for _, p := range o.file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
			return append(out, "a segment is writable and executable")
		}
	}
	return out
}

// stackBreaches looks at the note that the linker collects from all objects; on x86-64 one without it asks
// for an executable stack.
func stackBreaches(_ *scan, o *object) []string {
	const executable, absent = "asks for an executable stack", "does not say that its stack is data: link it with -Wl,-z,noexecstack"
	if o.kind == relocatable {
		note := o.file.Section(".note.GNU-stack")
		if note == nil {
			return when(o.file.Machine == elf.EM_X86_64, "has no .note.GNU-stack, and so asks for an executable stack")
		}
		return when(note.Flags&elf.SHF_EXECINSTR != 0, executable)
	}
	p := o.segment(elf.PT_GNU_STACK)
	if p == nil {
		return when(true, absent)
	}
	return when(p.Flags&elf.PF_X != 0, executable)
}

// enough is the number of bytes of machine code from which on an object or library has some function to
// guard: of 700 libraries of a distribution that guards them all, the largest without any has 12 KB.
const enough = 16 << 10

func protectorBreaches(_ *scan, o *object) []string {
	if slices.Contains(o.imports, "__stack_chk_fail") || o.code < enough {
		return nil
	}
	return when(true, "no function guards its stack: compile it with -fstack-protector-strong")
}

var (
	checked = regexp.MustCompile(`^__\w+_chk$`)
	// With fortified headers each call of these becomes the checked one, whatever is known of the buffer.
	always = regexp.MustCompile(`^(v?f?printf|v?dprintf|v?asprintf|v?syslog)$`)
	// These only where the compiler knows the buffer's size and cannot prove that it is enough. A program has
	// some such call.
	often = regexp.MustCompile(`^(mem(cpy|move|set)|mempcpy|st[rp]n?cpy|strn?cat|v?sn?printf|f?gets|f?read|recv(from)?|readlink|getcwd|realpath)$`)
)

func fortifyBreaches(_ *scan, o *object) []string {
	if slices.ContainsFunc(o.imports, checked.MatchString) {
		return nil
	}
	plain := always.MatchString
	if o.kind == program {
		plain = func(name string) bool { return always.MatchString(name) || often.MatchString(name) }
	}
	i := slices.IndexFunc(o.imports, plain)
	if i < 0 {
		return nil
	}
	return when(true, fmt.Sprintf("calls %s and nothing checked: compile it with -O2 -D_FORTIFY_SOURCE=2", o.imports[i]))
}

// api is what may be seen of our objects: Python's own names, and what every linker defines. Any other name
// comes out of a library that is linked in.
var api = regexp.MustCompile(`^(_?Py.*|PY_.*|main|_init|_fini|_start|_end|_edata|_etext|end|edata|etext|__bss_start(__)?|__bss_end__|_bss_end__|__end__|__data_start|data_start|__dso_handle|_IO_stdin_used|__TMC_END__)$`)

// older are names of Python's own modules before 3.9, whose extensions were not compiled with hidden symbols.
var older = regexp.MustCompile(`^(_?pysqlite_.*|_ctypes_.*|RotatingTree_.*|Tkapp_.*|_INTERNAL_trim_to_complete_utf8_characters)$`)

// entries are what OpenSSL looks for in a provider or engine that it loads. It asks that file alone, so they
// collide with nothing.
var entries = []string{"OSSL_provider_init", "bind_engine", "v_check"}

// started is what glibc before 2.34 puts into every program to call its constructors. Each program calls its
// own.
var started = []string{"__libc_csu_init", "__libc_csu_fini"}

// called is the module of CPython's test suite that ctypes calls functions of, by their names. It loads that
// file alone, nothing is linked to it, and none but the tests does.
func called(o *object) bool {
	return o.kind == shared && strings.HasPrefix(path.Base(o.path), "_ctypes_test.")
}

func exportBreaches(_ *scan, o *object) []string {
	if called(o) {
		return nil
	}
	foreign := slices.DeleteFunc(slices.Clone(o.exports), func(name string) bool {
		return api.MatchString(name) || older.MatchString(name) || o.kind == shared && slices.Contains(entries, name) || o.kind != shared && slices.Contains(started, name)
	})
	if len(foreign) == 0 {
		return nil
	}
	slices.Sort(foreign)
	const shown = 5
	more := ""
	if n := len(foreign) - shown; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return when(true, "exports "+strings.Join(foreign[:min(shown, len(foreign))], ", ")+more+": link it with -Wl,--exclude-libs")
}
