package rebuild

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Variation is one way in which two worlds differ. Its name is also that of the probe's fact.
type Variation struct {
	Name string
	What string // in plain words
	// outside changes the world of the building process.
	outside func(*World)
	// inside changes every command of a step: nil where a sandbox is there to absorb the variation.
	inside func(*sandbox.Spec)
}

// varyDir is where a command finds vary.so.
const varyDir = "/vary"

// other returns the first of the values that is not what there is.
func other(now string, values ...string) string {
	for _, v := range values {
		if v != now {
			return v
		}
	}
	return values[0] // the probe then sees no difference, and says so
}

// variable gives the building process an environment variable, of the values the first that it does not have.
func variable(name string, values ...string) func(*World) {
	return func(w *World) { w.Env[name] = other(os.Getenv(name), values...) }
}

func step(name, value string) func(*sandbox.Spec) {
	return func(s *sandbox.Spec) { s.Env = append(s.Env, name+"="+value) }
}

// weaker switches off what glibc's and OpenSSL's code choose by on x86-64; on other machines glibc takes its
// plainest code.
func weaker(s *sandbox.Spec) {
	if runtime.GOARCH != "amd64" {
		s.Env = append(s.Env, "GLIBC_TUNABLES=glibc.cpu.name=generic")
		return
	}
	s.Env = append(s.Env, "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-FMA,-BMI2,-ERMS,-FSRM,-SSE4_2,-AVX2_Usable,-AVX_Fast_Unaligned_Load", "OPENSSL_ia32cap=~0x200000200000000:~0x0")
}

// Variations are all that there are, in the order in which reports list them.
var Variations = []Variation{
	{Name: "path", What: "another folder of the store, another current folder", outside: func(*World) {}},
	{Name: "time", What: "a clock that is 463 days and 7 hours ahead", inside: step("TLSFLOOR_VARY_CLOCK", strconv.Itoa((463*24+7)*3600))},
	{Name: "timezone", What: "14 hours ahead of UTC, or 11 behind", outside: variable("TZ", "UTC-14", "UTC+11")},
	{Name: "locale", What: "another language and encoding", outside: variable("LC_ALL", "C.UTF-8", "C")},
	{Name: "umask", What: "files for their owner only, or for everybody", outside: func(w *World) { w.Umask = umaskOther() }},
	{Name: "environment", What: "flags for compilers, and variables that Python, Perl and make read", outside: func(w *World) {
		for _, v := range []string{"CFLAGS=-DVARIED -O0", "LDFLAGS=-Wl,--build-id=0xabcd", "PYTHONHASHSEED=4711", "PYTHONPATH=/nowhere", "PERL5LIB=/nowhere", "PERL_HASH_SEED=7", "MAKEFLAGS=-s", "GREP_OPTIONS=-i", "CDPATH=/tmp"} {
			name, value, _ := strings.Cut(v, "=")
			w.Env[name] = value
		}
	}},
	{Name: "home", What: "another home folder", outside: variable("HOME", "/nonexistent/varied")},
	{Name: "user", What: "another user and group", outside: func(w *World) { w.User = true }},
	{Name: "cpus", What: "7 processors, and one more job", inside: step("TLSFLOOR_VARY_CPUS", "7")},
	{Name: "fileorder", What: "every folder read from its last entry to its first", inside: step("TLSFLOOR_VARY_ORDER", "1")},
	{Name: "host", What: "another host name", outside: func(w *World) { w.Host = "varied-host" }},
	{Name: "domain", What: "another domain name", outside: func(w *World) { w.Domain = "varied.example" }},
	{Name: "aslr", What: "address randomisation off", outside: func(w *World) { w.NoASLR = true }, inside: func(s *sandbox.Spec) { s.NoASLR = true }},
	{Name: "stack", What: "a stack without limit, or of 16 MiB", outside: func(w *World) { w.Stack = stackOther() }},
	{Name: "priority", What: "the lowest priority", outside: func(w *World) { w.Nice = lowest }},
	{Name: "execpath", What: "another PATH, and the program at another place", outside: func(w *World) { w.Env["PATH"] = "/nonexistent/bin:" + os.Getenv("PATH") }},
	{Name: "kernel", What: "another release of the kernel", inside: step("TLSFLOOR_VARY_KERNEL", "3.10.0-1160.el7.x86_64")},
	{Name: "cpufeatures", What: "a processor without AVX and the like", inside: weaker},
}

func umaskOther() int {
	now := syscall.Umask(0o022)
	syscall.Umask(now)
	if now == 0o077 {
		return 0o002
	}
	return 0o077
}

func stackOther() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_STACK, &limit) == nil && limit.Cur != unlimited && limit.Max == unlimited {
		return unlimited
	}
	return 16 << 20
}

const (
	unlimited = ^uint64(0)
	lowest    = 19 // of setpriority(2)
)

// Select returns the variations of a -vary flag: "all", or names with commas between them.
func Select(flag string) ([]Variation, error) {
	if flag == "all" {
		return Variations, nil
	}
	var names, chosen []string
	for _, v := range Variations {
		names = append(names, v.Name)
	}
	for name := range strings.SplitSeq(flag, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(names, name) {
			return nil, fault.New(fault.Usage, "all, or some of: "+strings.Join(names, ", "), "-vary=%s: no variation %q", flag, name)
		}
		chosen = append(chosen, name)
	}
	return slices.DeleteFunc(slices.Clone(Variations), func(v Variation) bool { return !slices.Contains(chosen, v.Name) }), nil
}

func named(names []string) []Variation {
	return slices.DeleteFunc(slices.Clone(Variations), func(v Variation) bool { return !slices.Contains(names, v.Name) })
}

// inside returns what changes a command of a step.
func inside(w Work, names []string) func(*sandbox.Spec) {
	vs := named(names)
	if len(vs) == 0 {
		return func(*sandbox.Spec) {}
	}
	return func(s *sandbox.Spec) {
		lib := w.path("lib")
		if s.Mode == sandbox.Namespaces {
			s.Mounts = append(slices.Clone(s.Mounts), sandbox.Mount{From: lib, To: varyDir})
			lib = varyDir
		}
		s.Env = append(slices.Clone(s.Env), "LD_PRELOAD="+lib+"/vary.so")
		for _, v := range vs {
			if v.inside != nil {
				v.inside(s)
			}
		}
	}
}
