package usage

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/packages"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// The flags that more than one target has.
var (
	adopt    = toggle("Adopt", "move folders that stand at the prefixes aside; rollback brings them back")
	alloweol = toggle("AllowEOL", "although a component is past its end of life")
	cafiles  = list("CAFiles", "comma-separated files with CA certificates to trust too, from now on")
	check    = text("Check", "what to hold an installed tree against: index (default) or full").
			otherwise("index").oneOf("index", "full")
	deps = text("Deps", "missing host tools: install (default, as root) or check").
		otherwise("install").oneOf("install", "check")
	explain = text("Explain", "").own().once()
	floor   = text("Floor", "the TLS floor that it has to have at least (default: that of its profile)").
		oneOf("1.2", "1.3")
	from = text("From", "the bundle that it was installed from, whose weak peers need no compiler: a "+
		"folder, or an https:// or oci:// address")
	json = toggle("JSON", "print JSON")
	jobs = must(number("Jobs", "compilers at the same time (default: every core)").
		onThisMachine(func() string { return strconv.Itoa(runtime.NumCPU()) }),
		atLeast(1), "leave -jobs out to use every core", "-jobs=%d: at least 1")
	key = list("Key", "comma-separated public keys, PEM files, one of which has to have signed it "+
		"(default: those in /etc/tlsfloor/keys.d)")
	keys       = text("Keys", "a folder of private keys")
	maintainer = must(text("Maintainer", "the packages' maintainer: Name <address>").
			otherwise("tlsfloor <tlsfloor@localhost>"), packages.IsMaintainer,
		"such as -maintainer='Platform team <platform@example.org>'",
		"-maintainer=%q: not of the form Name <address>")
	mirror   = list("Mirror", "comma-separated folders and URLs to look for sources first")
	o        = text("O", "").own().once()
	offline  = toggle("Offline", "use no network")
	optimize = text("Optimize", "how far Python is optimised: none, pgo or pgo+lto (default: the profile's)").
			likely("none", "pgo", "pgo+lto")
	osv = text("OSV", "a folder or zip of advisories in OSV format: the README says which speak of what "+
		"is in it")
	out   = text("Out", "").own()
	kinds = list("Packages", "deb, rpm or both: compare packages of the trees too").
		likely(packages.Deb, packages.RPM).checked(areKinds)
	prefix = must(text("Prefix", "base folder of the prefixes (default /opt)").otherwise("/opt"),
		pathForm.MatchString, "give an absolute path of letters, digits and /._+-",
		"-prefix=%q: not a path that can be compiled in").becomes(filepath.Clean)
	profile = text("Profile", "the profile (default min-tls1_2)").otherwise(recipes.DefaultProfile).
		likely("min-tls1_2", "min-tls1_3", "lts-3.0", "legacy", "guide")
	quiet   = toggle("Quiet", "print the result only")
	ours    = list("Recipes", "comma-separated folders with recipes of your own")
	release = must(number("Release", "the packages' release, of the same versions (default 1)").
		otherwise("1"), atLeast(1), "count from 1", "-release=%d: less than 1")
	report = text("Report", "").own().once()
	root   = must(text("Root", "the image's root folder"), filepath.IsAbs, "give an absolute path",
		"-root=%s: not an absolute path")
	sarif   = text("SARIF", "write the findings to this file too, as SARIF for code scanners")
	sandbox = text("Sandbox", "auto (default), require or none").
		otherwise("auto").oneOf("auto", "require", "none")
	sequence = must(number("Sequence", "-sign: the number of this release, higher than that of the one before "+
		"(default: the time, in seconds)"), atLeast(0), "-sequence counts from 1", "-sequence=%d: too small")
	sign = text("Sign", "sign with this private key: a PEM file, env:NAME, or exec:COMMAND, which gets "+
		"the bytes on its standard input and writes the raw signature (default: not signed)")
	store   = text("Store", "folder of the store").onThisMachine(defaultStore).checked(isNamed)
	sysroot = text("Sysroot", "the suite whose libc it is built against (default: this host's)")
	target  = elsewhere(text("Target", "the repository's folder"))
	timeout = must(period("Timeout", "stop after this time"), atLeast(time.Duration(0)),
		"such as -timeout=45m", "-timeout=%s: less than nothing")
	to        = number("To", "the generation to go to, backwards or forwards")
	trust     = text("Trust", "mozilla or both: Mozilla's list of CAs too").oneOf("host", "mozilla", "both")
	trustroot = text("TrustRoot", "the trusted root.json, where the folder of keys has none yet; it is "+
		"kept there")
	unsigned = toggle("Unsigned", "-from: although no trusted key has signed it").spokenOnly()
	with     = list("With", "comma-separated optional sets, such as tests,static")
)

// elsewhere is the -to that names a place. That of rollback is a number, whose variable is TLSFLOOR_TO.
func elsewhere(f Flag) Flag {
	f.Name = "to"
	return f
}

// pathForm is what compilers, make and scripts take unquoted.
var pathForm = regexp.MustCompile(`^/[A-Za-z0-9/._+-]*$`)

func areKinds(value any) error {
	for _, kind := range value.([]string) {
		if kind != packages.Deb && kind != packages.RPM {
			return fault.New(fault.Usage, "deb, rpm or both", "-packages=%s: no kind of package", kind)
		}
	}
	return nil
}

func isNamed(dir any) error {
	if dir == "" {
		return fault.New(fault.Usage, "leave -store out for the default folder", "-store is empty")
	}
	return nil
}

// defaultStore is the user's cache folder; root's is the machine's.
func defaultStore() string {
	if os.Geteuid() == 0 {
		return "/var/cache/tlsfloor"
	}
	return userStore(os.Geteuid())
}

// userStore is "" for a user without a home folder: a store below /tmp could have been made by somebody else.
func userStore(uid int) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		u, err := user.LookupId(strconv.Itoa(uid))
		if err != nil || !isFolder(u.HomeDir) {
			return ""
		}
		dir = filepath.Join(u.HomeDir, ".cache")
	}
	return filepath.Join(dir, "tlsfloor")
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return filepath.IsAbs(path) && err == nil && info.IsDir()
}
