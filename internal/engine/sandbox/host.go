package sandbox

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// systemPath is where tools are looked for, so that what a user put first in PATH changes no key.
const systemPath = "/usr/bin:/bin:/usr/sbin:/sbin"

// Host is where the host's tools are looked for.
type Host struct {
	// Path is a colon-separated list of folders; the zero value stands for the system's.
	Path string
}

func (h Host) path() string {
	if h.Path == "" {
		return systemPath
	}
	return h.Path
}

// Find returns the path of the program called name, or "".
func (h Host) Find(name string) string {
	for _, dir := range filepath.SplitList(h.path()) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// commandNames are the tools that a build step may use: the programs that the builds of OpenSSL,
// CPython and the libraries below them call. What is not here cannot be found in a step's PATH, so
// that no configure script finds another Python, a pkg-config or a git on one host and not on the next.
const commandNames = `cc gcc cpp gcc-ar gcc-nm gcc-ranlib gcov gcov-tool
	as ld ld.bfd ld.gold ar nm ranlib strip objcopy objdump readelf size strings addr2line c++filt
	make perl sh sed awk grep egrep fgrep tar gzip gunzip xz unxz bzip2 bunzip2 cmp diff find xargs getconf
	[ arch b2sum base64 basename cat chgrp chmod chown cksum comm cp csplit cut date dd df dirname du echo env expand expr
	false fold groups head hostname id install join link ln ls md5sum mkdir mkfifo mktemp mv nice nl nohup nproc od paste
	pathchk pr printenv printf pwd readlink realpath rm rmdir seq sha1sum sha256sum sha512sum sleep sort split stat stty sum
	sync tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink wc whoami yes`

type link struct{ name, path string }

// commands returns those of the tools that the host has, in a constant order.
func (h Host) commands() []link {
	var found []link
	for _, name := range strings.Fields(commandNames) {
		if path := h.Find(name); path != "" {
			found = append(found, link{name, path})
		}
	}
	return found
}

// Need names one thing that a build wants of the host: a program of commandNames, NeedLibc, or a
// Perl module with the prefix "perl:".
type Need string

// NeedLibc is libc's headers and start files: a one-line C program compiles and links.
const NeedLibc Need = "libc-headers"

// perlModules are what OpenSSL's Configure and generators load outside their tests and manual
// pages (1.1.1 to 3.6; Text::Template comes with the source). Time::Piece is for the Makefile's template.
var perlModules = strings.Fields(`Carp Config Cwd Exporter Fcntl File::Basename File::Compare File::Copy File::Glob File::Path
	File::Spec::Functions FindBin Getopt::Long Getopt::Std IPC::Cmd POSIX Scalar::Util Time::Piece`)

// BuildNeeds returns everything that a build wants of the host.
func BuildNeeds() []Need {
	needs := []Need{"cc", NeedLibc, "as", "ld", "ar", "ranlib", "make", "perl", "sh", "sed", "awk", "grep", "cat", "find", "cmp"}
	for _, m := range perlModules {
		needs = append(needs, Need("perl:"+m))
	}
	return needs
}

// Tool is a Need that the host meets.
type Tool struct {
	Need    Need
	Path    string
	Version string // the first line of what it says about itself; empty where it has nothing to say
}

// Tools looks for each need, and returns what it found and what it did not, both in the order of needs.
func (h Host) Tools(ctx context.Context, needs []Need) (found []Tool, missing []Need) {
	absent := h.absentModules(ctx, needs)
	for _, n := range needs {
		t := Tool{Need: n}
		switch module, isModule := strings.CutPrefix(string(n), "perl:"); {
		case isModule:
			if t.Path = h.Find("perl"); absent[module] {
				t.Path = ""
			}
		case n == NeedLibc:
			t.Path = h.Find("cc")
			if t.Path != "" && !h.compiles(ctx, t.Path) {
				t.Path = ""
			}
		default:
			if t.Path = h.Find(string(n)); t.Path != "" {
				t.Version = h.version(ctx, t.Path)
			}
		}
		if t.Path == "" {
			missing = append(missing, n)
			continue
		}
		found = append(found, t)
	}
	return found, missing
}

// absentModules returns the Perl modules among needs that do not load, all when there is no perl.
func (h Host) absentModules(ctx context.Context, needs []Need) map[string]bool {
	absent := map[string]bool{}
	args := []string{"-e", `for (@ARGV) { eval "require $_; 1" or print "$_\n" } print "done\n"`}
	for _, n := range needs {
		if module, ok := strings.CutPrefix(string(n), "perl:"); ok {
			args = append(args, module)
			absent[module] = true
		}
	}
	perl := h.Find("perl")
	if len(absent) == 0 || perl == "" {
		return absent
	}
	lines := strings.Fields(h.ask(ctx, "", perl, args...))
	if len(lines) == 0 || lines[len(lines)-1] != "done" {
		return absent
	}
	clear(absent)
	for _, module := range lines[:len(lines)-1] {
		absent[module] = true
	}
	return absent
}

// compiles tries the compiler on the smallest program that needs libc's headers and start files.
func (h Host) compiles(ctx context.Context, cc string) bool {
	dir, err := os.MkdirTemp("", "tlsfloor-cc-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "a.out")
	h.ask(ctx, "#include <stdio.h>\n#include <linux/types.h>\nint main(void) { return puts(\"\") < 0; }\n", cc, "-x", "c", "-o", out, "-")
	_, err = os.Stat(out)
	return err == nil
}

func (h Host) version(ctx context.Context, path string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(h.ask(ctx, "", path, "--version")), "\n")
	if filepath.Base(path) == "perl" {
		line = h.ask(ctx, "", path, "-e", `print "perl $^V"`)
	}
	return line
}

// ask runs a tool in a constant environment and returns what it prints; a tool that ends badly says nothing.
func (h Host) ask(ctx context.Context, input, path string, args ...string) string {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + h.path(), "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(input)
	cmd.Stderr = io.Discard
	text, err := cmd.Output()
	if err != nil {
		return ""
	}
	return string(text)
}

// MissingError returns nil when nothing is missing, else a fault with the exit code for a missing
// host tool, which names the needs and the one command that brings them.
func (h Host) MissingError(missing []Need) error {
	if len(missing) == 0 {
		return nil
	}
	var list []string
	for _, n := range missing {
		list = append(list, string(n))
	}
	return fault.New(fault.MissingTool, h.installHint(missing), "missing host tools: %s", strings.Join(list, ", "))
}
