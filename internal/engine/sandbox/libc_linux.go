package sandbox

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// owner says which files of the system's folders belong to libc, the kernel's headers or the compiler.
type owner interface {
	file(path string) bool
	dir(path string) bool // whether it may hold such a file
}

// manifest is an owner by package: the paths that a package database lists, and their folders.
type manifest struct{ files, dirs map[string]bool }

func (m manifest) file(path string) bool { return m.files[path] }
func (m manifest) dir(path string) bool  { return m.dirs[path] }

// names is an owner for systems without a package database: a list of the names that glibc, musl
// and the kernel install.
type names struct{ headers, libs map[string]bool }

func (n names) file(path string) bool {
	if name, ok := strings.CutPrefix(path, "/usr/include/"); ok {
		return n.headers[headerName(name)]
	}
	return n.libs[filepath.Base(path)]
}

func (n names) dir(path string) bool {
	name, ok := strings.CutPrefix(path, "/usr/include/")
	return ok && (tripleName(name) || n.headers[headerName(name)])
}

// headerName returns the first element of a path below /usr/include, or the second where the first is a
// triple.
func headerName(name string) string {
	first, rest, deeper := strings.Cut(name, "/")
	if deeper && tripleName(first) {
		first, _, _ = strings.Cut(rest, "/")
	}
	return first
}

func tripleName(name string) bool {
	return !strings.Contains(name, "/") && strings.Contains(name, "-linux-")
}

// nobody owns nothing: libc's files are hidden like everybody's.
type nobody struct{}

func (nobody) file(string) bool { return false }
func (nobody) dir(string) bool  { return false }

const dpkgInfo = "/var/lib/dpkg/info"

// dpkgLists and rpmNames name libc's, the kernel's and the compiler's packages. libcrypt is not libc's any
// more.
var dpkgLists = []string{"libc6-dev*", "libc-dev*", "linux-libc-dev*", "musl-dev*", "libgcc-*-dev*", "libstdc++-*-dev*", "gcc-[0-9]*"}

var rpmNames = []string{"glibc-devel", "glibc-headers", "glibc-headers-x86", "glibc-static", "kernel-headers",
	"linux-glibc-devel", "gcc", "gcc-c++", "libgcc", "libstdc++-devel"}

// libcFiles asks the package database, and falls back to the built-in names where there is none.
func libcFiles(ctx context.Context) (owner, error) {
	m := manifest{map[string]bool{}, map[string]bool{}}
	lists, err := dpkgManifests()
	if err != nil {
		return nil, err
	}
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		m.add(string(text))
	}
	if len(m.files) == 0 {
		if rpm, err := exec.LookPath("/usr/bin/rpm"); err == nil {
			// rpm ends with an error when one of the packages is not there: what it printed still holds.
			cmd := exec.CommandContext(ctx, rpm, append([]string{"-ql"}, rpmNames...)...)
			cmd.Env = []string{"PATH=" + systemPath, "LC_ALL=C"}
			text, _ := cmd.Output()
			m.add(string(text))
		}
	}
	if m.files["/usr/include/stdio.h"] {
		return m, ctx.Err()
	}
	return builtin(), ctx.Err()
}

// dpkgManifests returns the file lists of the packages in dpkgLists; none where there is no dpkg.
func dpkgManifests() ([]string, error) {
	dir, err := os.Open(dpkgInfo)
	if err != nil {
		return nil, nil
	}
	defer dir.Close()
	entries, err := dir.Readdirnames(-1) // thousands: one pass over them, unsorted
	if err != nil {
		return nil, err
	}
	var lists []string
	for _, name := range entries {
		if !strings.HasSuffix(name, ".list") {
			continue
		}
		for _, pattern := range dpkgLists {
			if ok, _ := filepath.Match(pattern+".list", name); ok {
				lists = append(lists, filepath.Join(dpkgInfo, name))
				break
			}
		}
	}
	return lists, nil
}

// add takes a package's list of absolute paths, one per line, as it names them: /lib may be a link to
// usr/lib.
func (m manifest) add(text string) {
	real := map[string]string{}
	for path := range strings.Lines(text) {
		path = strings.TrimSuffix(path, "\n")
		if !strings.HasPrefix(path, "/usr/include/") && !strings.Contains(path, "/lib") {
			continue
		}
		dir, seen := real[filepath.Dir(path)]
		if !seen {
			dir = filepath.Dir(path)
			if resolved, err := filepath.EvalSymlinks(dir); err == nil {
				dir = resolved
			}
			real[filepath.Dir(path)] = dir
		}
		m.files[filepath.Join(dir, filepath.Base(path))] = true
		for ; !m.dirs[dir]; dir = filepath.Dir(dir) {
			m.dirs[dir] = true
		}
	}
}

func builtin() names {
	n := names{map[string]bool{}, map[string]bool{}}
	for _, h := range strings.Fields(headerDirs) {
		n.headers[h] = true
	}
	for _, h := range strings.Fields(headerFiles) {
		n.headers[h+".h"] = true
	}
	for _, l := range strings.Fields(linkNames) {
		n.libs["lib"+l+".so"], n.libs["lib"+l+".a"] = true, true
	}
	return n
}

// What ISO C, POSIX, glibc 2.17 to 2.42, musl 1.2 and Linux 3.10 to 6.18 put into /usr/include.
const (
	headerDirs = `arpa asm asm-generic bits c++ cxl drm finclude fortify gnu linux misc mtd net netash netatalk netax25
		neteconet netinet netipx netiucv netpacket netrom netrose nfs protocols rdma regulator rpc scsi sound sys video xen`
	headerFiles = `a.out aio aliases alloca alltypes ar argp argz assert byteswap complex cpio ctype dirent dlfcn elf endian
		envz err errno error execinfo fcntl features features-time64 fenv float fmtmsg fnmatch fpu_control fstab fts ftw gconv getopt
		glob gnu-versions grp gshadow iconv ieee754 ifaddrs inttypes iso646 langinfo lastlog libgen libintl libio _G_config limits
		link locale malloc math mcheck memory mntent monetary mqueue netdb nl_types nss obstack paths poll printf proc_service
		pthread pty pwd re_comp regex regexp resolv sched search semaphore setjmp sgtty shadow signal spawn stab stdalign stdarg
		stdbool stdc-predef stddef stdint stdio stdio_ext stdlib stdnoreturn string strings stropts syscall sysexits syslog tar
		termio termios tgmath thread_db threads time ttyent uchar ucontext ulimit unistd ustat utime utmp utmpx values wait wchar
		wctype wordexp xlocale`
	linkNames = `BrokenLocale anl asan atomic c c_malloc_debug c_nonshared dl g gcc gcc_eh gcc_s gomp hwasan itm lsan m mcheck mvec
		m-2.28 m-2.31 m-2.34 m-2.35 m-2.36 m-2.37 m-2.38 m-2.39 m-2.40 m-2.41 m-2.42 nsl_compat nss_compat nss_hesiod pthread
		pthread_nonshared quadmath resolv rt ssp ssp_nonshared stdc++ stdc++fs supc++ thread_db tsan ubsan util xnet`
)
