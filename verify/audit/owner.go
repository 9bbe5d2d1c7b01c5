package audit

import (
	"bufio"
	"path/filepath"
	"strings"
	"sync"
)

// owners tell which package brought a file: Python's own metadata (PEP 376, and what is named like it),
// Debian's lists, and the generation of a toolchain of ours.
type owners struct {
	mu     sync.Mutex
	files  map[string]string // path -> package
	links  map[string]string // what a link leads to -> the link
	tops   map[string]string // a module's folder or file -> package
	debian map[string]string // read when it is first asked for
}

func newOwners() *owners {
	return &owners{files: map[string]string{}, links: map[string]string{}, tops: map[string]string{}}
}

// isMetadata reports whether a folder is the metadata of an installed Python package.
func isMetadata(path string) bool {
	return strings.HasSuffix(path, ".dist-info") || strings.HasSuffix(path, ".egg-info")
}

// wheel reads the metadata folder of a Python package.
func (w *owners) wheel(dir string) {
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(dir), ".dist-info"), ".egg-info")
	name, version := base, ""
	if i := strings.LastIndexByte(base, '-'); i > 0 {
		name, version = base[:i], base[i+1:]
	}
	for _, file := range []string{"METADATA", "PKG-INFO"} {
		for _, line := range lines(filepath.Join(dir, file), 200) {
			if line == "" {
				break // the headers end here
			}
			if v, ok := strings.CutPrefix(line, "Name: "); ok {
				name = v
			} else if v, ok := strings.CutPrefix(line, "Version: "); ok {
				version = v
			}
		}
	}
	owner, site := strings.TrimSpace(name+" "+version), filepath.Dir(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range lines(filepath.Join(dir, "RECORD"), 100_000) {
		if i := strings.IndexByte(line, ','); i > 0 && !filepath.IsAbs(line) {
			w.files[filepath.Join(site, line[:i])] = owner
		}
	}
	for _, top := range append(lines(filepath.Join(dir, "top_level.txt"), 1000), strings.ReplaceAll(name, "-", "_"), strings.ToLower(name)) {
		if top != "" && !strings.Contains(top, "/") {
			if _, ok := w.tops[filepath.Join(site, top)]; !ok {
				w.tops[filepath.Join(site, top)] = owner
			}
		}
	}
}

// alias notes that a package's file stands somewhere else, where installers link them.
func (w *owners) alias(link, real string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.links[real] == "" {
		w.links[real] = link
	}
}

// near reads the metadata beside a single file.
func (w *owners) near(path string) {
	for dir := filepath.Dir(path); len(dir) > 1; dir = filepath.Dir(dir) {
		if base := filepath.Base(dir); base == "site-packages" || base == "dist-packages" {
			for _, pattern := range []string{"*.dist-info", "*.egg-info"} {
				found, _ := filepath.Glob(filepath.Join(dir, pattern))
				for _, f := range found {
					w.wheel(f)
				}
			}
			return
		}
	}
}

// of names the package that brought a file, "" where nothing says so.
func (w *owners) of(path string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if owner := w.python(path); owner != "" {
		return owner
	}
	if link := w.links[path]; link != "" {
		if owner := w.python(link); owner != "" {
			return owner
		}
	}
	return w.ofDebian(path)
}

// python is the package of Python's, or the toolchain, that has a path.
func (w *owners) python(path string) string {
	if owner := w.files[path]; owner != "" {
		return owner
	}
	for at := path; len(at) > 1; at = filepath.Dir(at) {
		stem, _, _ := strings.Cut(filepath.Base(at), ".")
		for _, key := range []string{at, filepath.Join(filepath.Dir(at), stem)} {
			if owner := w.tops[key]; owner != "" {
				return owner
			}
		}
		if filepath.Base(at) == ".tlsfloor" {
			return "tlsfloor"
		}
	}
	return ""
}

// ofDebian reads dpkg's lists, once.
func (w *owners) ofDebian(path string) string {
	if w.debian == nil {
		w.debian = map[string]string{}
		version := debianVersions("/var/lib/dpkg/status")
		found, _ := filepath.Glob("/var/lib/dpkg/info/*.list")
		for _, list := range found {
			owner := strings.TrimSuffix(filepath.Base(list), ".list")
			name, _, _ := strings.Cut(owner, ":")
			owner = strings.TrimSpace(owner + " " + version[name])
			for _, line := range lines(list, 1_000_000) {
				if strings.Contains(line, ".so") || strings.Contains(line, "/bin/") || strings.Contains(line, "/sbin/") || strings.Contains(line, "/lib/") {
					w.debian[line] = owner
				}
			}
		}
	}
	for _, known := range []string{path, strings.TrimPrefix(path, "/usr")} { // lists have the names of before the merge of /usr
		if owner := w.debian[known]; owner != "" {
			return owner
		}
	}
	return ""
}

// debianVersions are those of the installed packages (deb-control(5)).
func debianVersions(path string) map[string]string {
	all, name := map[string]string{}, ""
	for _, line := range lines(path, 10_000_000) {
		if v, ok := strings.CutPrefix(line, "Package: "); ok {
			name = v
		} else if v, ok := strings.CutPrefix(line, "Version: "); ok {
			all[name] = v
		}
	}
	return all
}

// lines reads the first lines of a file; none of one that cannot be read.
func lines(path string, most int) (all []string) {
	f, err := openRegular(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for len(all) < most && s.Scan() {
		all = append(all, s.Text())
	}
	return all
}

// replacements say, for packages that bring another stack, how the same comes on ours.
var replacements = map[string]string{
	"cryptography":    "OPENSSL_DIR=/opt/openssl-with-min-tls1_2 OPENSSL_STATIC=1 pip install --no-binary cryptography cryptography (wants a Rust compiler)",
	"pyopenssl":       "build cryptography from source: OPENSSL_DIR=/opt/openssl-with-min-tls1_2 OPENSSL_STATIC=1 pip install --no-binary cryptography cryptography",
	"psycopg2-binary": "pip uninstall psycopg2-binary, and a toolchain built with -with=postgres",
	"psycopg2":        "a toolchain built with -with=postgres has one",
	"psycopg-binary":  "pip uninstall psycopg-binary, and a toolchain built with -with=postgres, which has psycopg2",
	"pycurl":          "build libcurl and pycurl on ours: PYCURL_SSL_LIBRARY=openssl PYCURL_CURL_CONFIG=<its curl-config> pip install --no-binary pycurl pycurl; or use urllib3",
	"grpcio":          "CFLAGS=-I/opt/openssl-with-min-tls1_2/include LDFLAGS=-L/opt/openssl-with-min-tls1_2/lib GRPC_PYTHON_BUILD_SYSTEM_OPENSSL=1 pip install --no-binary grpcio grpcio",
	"awscrt":          "set preferred_transfer_client = classic in ~/.aws/config, so that S3 goes through Python",
}

// instead says what to do about a stack.
func instead(s Stack) string {
	if s.Verdict == Holds {
		return ""
	}
	name, _, _ := strings.Cut(strings.ToLower(s.Package), " ")
	name = strings.TrimPrefix(strings.ReplaceAll(name, "_", "-"), "python3-")
	if how := replacements[name]; how != "" {
		return how
	}
	switch s.Library {
	case "Go crypto/tls":
		return "see that the program sets MinVersion, or leaves it alone with Go 1.22 or later, and that GODEBUG has no tls10server"
	case "rustls":
		return ""
	}
	return "where the floor matters, use a program on this toolchain's OpenSSL instead"
}
