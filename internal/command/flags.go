package command

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/packages"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Flags are the command line's. A nil field was not given: then its environment variable counts (TLSFLOOR_ and the flag's
// name in capitals), then the default.
type Flags struct {
	Profile    *string        // what to build
	Prefix     *string        // base folder of the prefixes, compiled in
	Root       *string        // an image's root folder to stage into
	Jobs       *int           // compilers at the same time
	Mirror     *string        // comma-separated folders and URLs
	Recipes    *string        // comma-separated overlay folders
	Store      *string        // folder of the store
	Sandbox    *string        // auto, require or none
	Optimize   *string        // none, pgo or pgo+lto
	Sysroot    *string        // the suite whose libc to build against
	With       *string        // comma-separated optional sets
	Deps       *string        // install or check: what to do about missing host tools
	Offline    *bool          // use no network
	JSON       *bool          // events and results as JSON
	Quiet      *bool          // only the result
	Adopt      *bool          // move real folders at the prefixes aside
	AllowEOL   *bool          // build a profile past its end of life
	Timeout    *time.Duration // of the whole command
	To         *int           // rollback: the generation to go to
	All        *bool          // clean: the whole store
	Long       *bool          // test: the long tests too
	Explain    *string        // plan: the step whose key lines to print; verify: the case to explain
	Why        *string        // plan: the step whose changed lines to print
	Check      *string        // build: index or full
	Keep       *int           // store:gc: records to keep of each step and profile
	MaxSize    *string        // store:gc: bytes to keep, such as 20GB
	Yes        *bool          // store:gc: really remove
	Trace      *string        // build: file for a trace of what ran when
	Suite      *string        // bench: build or python
	Rounds     *int           // bench: how often each flow runs
	Trust      *string        // build: host, mozilla or both
	CAFiles    *string        // build, trust:add: comma-separated files with CA certificates
	Subject    *string        // trust:remove: a certificate's name, or how it begins
	SHA256     *string        // trust:remove: a certificate's digest, or how it begins
	Days       *int           // trust:check: how far to look ahead
	Python     *string        // verify: any other Python
	OpenSSL    *string        // verify: any other openssl
	Client     *string        // verify: a command that connects
	Server     *string        // verify: host:port of a server on this machine
	StartTLS   *string        // verify: what the server speaks before TLS
	ServerName *string        // verify: the name that the server is called by
	Visible    *string        // verify: comma-separated files and folders that what is tried may read
	Libraries  *string        // verify: comma-separated client libraries of -python
	MongoDB    *string        // verify: host:port of a MongoDB or FerretDB without TLS on this machine
	Postgres   *string        // verify: host:port of a PostgreSQL without TLS on this machine
	Step       *string        // enter: the failed step
	Vary       *string        // rebuild: the variations
	Each       *bool          // rebuild: one rebuild for each of them
	Against    *string        // rebuild: somebody else's index.json or tarball
	Report     *string        // rebuild, verify: folder for the report
	Claim      *string        // rebuild: index.json to write the digests to
	Max        *string        // serve: the newest version of honest servers
	Only       *string        // serve: comma-separated scenarios
	Port       *int           // serve: of the first scenario
	Out        *string        // serve: folder for the certificates
	MTLS       *string        // serve: passthrough or verify
	TrustStore *string        // serve: file with the CAs of clients
	CRL        *string        // serve: file with revocation lists
	Names      *string        // serve: comma-separated host names
	SARIF      *string        // audit: file for code scanners
	Probe      *bool          // audit:env: drive the clients too
	O          *string        // vendor, dist: the file to write
	Sign       *string        // bundle, dist: where the private key is
	Key        *string        // bundle, dist, bundle:verify, install: comma-separated files of public keys
	From       *string        // install: a bundle's tarball, folder or https URL
	OSV        *string        // audit:pins: folder of advisories
	Severity   *string        // audit:pins: from which on the exit is not 0
	Target     *string        // publish: a folder or a registry
	Unsigned   *bool          // install, bundle:verify: without a trusted key
	Unproved   *bool          // install: with the bundle's own proof, where none can be made here
	Downgrade  *bool          // install: an older release than what was in use
	Floor      *string        // install, bundle:verify: the floor that it has to have at least
	TrustRoot  *string        // install: root.json of the repository that is trusted
	Keys       *string        // publish, keys: folder of private keys
	Roles      *string        // keys:init: comma-separated thresholds
	Role       *string        // keys:rotate: whose key
	Revoke     *string        // keys:rotate: which one of them
	Draft      *string        // keys:sign: digest of what is signed
	Sequence   *int           // bundle: number of the release
	Valid      *int           // bundle: days for which the release may be installed
	Component  *string        // bump: comma-separated components
	Wait       *time.Duration // bump: how old a release has to be
	Stale      *time.Duration // bump: for how long after their time lists are taken
	Packages   *string        // bundle, rebuild: comma-separated kinds of packages
	Release    *int           // bundle: of the packages
	Maintainer *string        // bundle: of the packages
	PGPKey     *string        // bundle: where the key is that signs the packages
}

// options are the flags resolved.
type options struct {
	Profile, Prefix, Root, Store, Sandbox, Optimize, Sysroot, Deps, Explain, Why, Check, Step, MaxSize, Trace string
	Suite, Vary, Against, Report, Claim, Trust, Subject, SHA256, Max, Out                                     string
	Sign, From, OSV, Severity, Target, Maintainer                                                             string
	Python, OpenSSL, Client, Server, StartTLS, ServerName, MongoDB, Postgres, MTLS, TrustStore, CRL, SARIF, O string
	Mirror, Recipes, CAFiles, Only, With, Libraries, Names, Key, Packages, Component                          []string
	Jobs, To, Keep, Rounds, Days, Port, Release                                                               int
	Offline, JSON, Quiet, Adopt, AllowEOL, All, Long, Yes, Each, Probe                                        bool
	Timeout                                                                                                   time.Duration
	ProfileGiven, PrefixGiven, StoreGiven, Unsigned, Unproved,
	Downgrade bool

	Floor, TrustRoot, Keys, Role, Revoke, Draft string
	PGPKey                                      string
	Roles, Visible                              []string
	Sequence, Valid                             int
	Wait, Stale                                 time.Duration
}

// resolve fills flags that were not given from the environment and from the defaults.
func (f Flags) resolve() (options, error) {
	if !environmentIsRead {
		if err := f.fromEnvironment(); err != nil {
			return options{}, err
		}
	}
	o := options{
		Profile: or(f.Profile, defaultProfile), ProfileGiven: f.Profile != nil,
		PrefixGiven: f.Prefix != nil, Prefix: or(f.Prefix, "/opt"), Root: or(f.Root, ""),
		Store: or(f.Store, defaultStore()), StoreGiven: f.Store != nil,
		Sandbox: or(f.Sandbox, "auto"), Optimize: or(f.Optimize, ""), Sysroot: or(f.Sysroot, ""), Deps: or(f.Deps, "install"), Explain: or(f.Explain, ""), Why: or(f.Why, ""), Check: or(f.Check, "index"),
		Step: or(f.Step, ""), MaxSize: or(f.MaxSize, ""), Trace: or(f.Trace, ""), Keep: or(f.Keep, 0), Suite: or(f.Suite, "build"), Rounds: or(f.Rounds, 3), Yes: or(f.Yes, false),
		Vary: or(f.Vary, "all"), Each: or(f.Each, false), Against: or(f.Against, ""), Report: or(f.Report, ""), Claim: or(f.Claim, ""),
		Trust: or(f.Trust, ""), CAFiles: list(or(f.CAFiles, "")), Subject: or(f.Subject, ""), SHA256: or(f.SHA256, ""), Days: or(f.Days, 30),
		Python: or(f.Python, ""), OpenSSL: or(f.OpenSSL, ""), Client: or(f.Client, ""), Server: or(f.Server, ""), StartTLS: or(f.StartTLS, "none"), ServerName: or(f.ServerName, ""),
		Libraries: list(or(f.Libraries, "")), Visible: list(or(f.Visible, "")), MongoDB: or(f.MongoDB, ""),
		Postgres: or(f.Postgres, ""),
		Max:      or(f.Max, ""), Only: list(or(f.Only, "")), Port: or(f.Port, 0), Out: or(f.Out, ""),
		MTLS: or(f.MTLS, ""), TrustStore: or(f.TrustStore, ""), CRL: or(f.CRL, ""), SARIF: or(f.SARIF, ""), O: or(f.O, ""), Sign: or(f.Sign, ""), OSV: or(f.OSV, ""), Target: or(f.Target, ""), Severity: or(f.Severity, "low"), Key: list(or(f.Key, "")), From: or(f.From, ""), Unsigned: or(f.Unsigned, false), Probe: or(f.Probe, false), Names: list(or(f.Names, "")),
		Component: list(or(f.Component, "")), Packages: list(or(f.Packages, "")), Release: or(f.Release, 1), Maintainer: or(f.Maintainer, "tlsfloor <tlsfloor@localhost>"),
		Mirror: list(or(f.Mirror, "")), Recipes: list(or(f.Recipes, "")), With: list(or(f.With, "")),
		Jobs: or(f.Jobs, runtime.NumCPU()), To: or(f.To, 0),
		PGPKey:   or(f.PGPKey, ""),
		Unproved: or(f.Unproved, false), Downgrade: or(f.Downgrade, false), Floor: or(f.Floor, ""),
		TrustRoot: or(f.TrustRoot, ""), Keys: or(f.Keys, ""), Role: or(f.Role, ""), Revoke: or(f.Revoke, ""),
		Draft:    or(f.Draft, ""),
		Roles:    list(or(f.Roles, "")),
		Sequence: or(f.Sequence, 0), Valid: or(f.Valid, 365),
		Offline: or(f.Offline, false), JSON: or(f.JSON, false), Quiet: or(f.Quiet, false), Adopt: or(f.Adopt, false),
		AllowEOL: or(f.AllowEOL, false), All: or(f.All, false), Long: or(f.Long, false), Timeout: or(f.Timeout, 0),
		Wait: or(f.Wait, 72*time.Hour), Stale: or(f.Stale, 0),
	}
	return o, o.validate()
}

func or[T any](given *T, other T) T {
	if given == nil {
		return other
	}
	return *given
}

func list(s string) []string {
	var all []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			all = append(all, item)
		}
	}
	return all
}

// spoken are the flags that only the command line sets: what is left out of a check is never a matter of
// the environment.
var spoken = []string{"Unsigned", "Unproved", "Downgrade", "Draft"}

// fromEnvironment reads TLSFLOOR_<FLAG> for every flag that was not given, but for the spoken ones.
func (f *Flags) fromEnvironment() error {
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		if slices.Contains(spoken, v.Type().Field(i).Name) {
			continue
		}
		name := "TLSFLOOR_" + upper(v.Type().Field(i).Name)
		text, set := os.LookupEnv(name)
		if !set || text == "" || !v.Field(i).IsNil() {
			continue
		}
		value, err := parse(v.Field(i).Type().Elem(), text)
		if err != nil {
			return fault.New(fault.Usage, "unset it, or give it a value such as the flag takes", "environment variable %s: %q: %w", name, text, err)
		}
		v.Field(i).Set(value)
	}
	return nil
}

func upper(name string) string { return strings.ToUpper(name) }

func parse(t reflect.Type, text string) (reflect.Value, error) {
	p := reflect.New(t)
	var err error
	switch to := p.Interface().(type) {
	case *string:
		*to = text
	case *int:
		*to, err = strconv.Atoi(text)
	case *bool:
		*to, err = strconv.ParseBool(text)
	case *time.Duration:
		*to, err = time.ParseDuration(text)
	}
	return p, err
}

// pathForm is what compilers, make and scripts take unquoted.
var pathForm = regexp.MustCompile(`^/[A-Za-z0-9/._+-]*$`)

func (o *options) validate() error {
	if !pathForm.MatchString(o.Prefix) {
		return fault.New(fault.Usage, "give an absolute path of letters, digits and /._+-", "-prefix=%q: not a path that can be compiled in", o.Prefix)
	}
	if o.Root != "" && !filepath.IsAbs(o.Root) {
		return fault.New(fault.Usage, "give an absolute path", "-root=%s: not an absolute path", o.Root)
	}
	if o.Store == "" && o.StoreGiven {
		return fault.New(fault.Usage, "leave -store out for the default folder", "-store is empty")
	}
	o.Prefix = filepath.Clean(o.Prefix)
	if o.Jobs < 1 {
		return fault.New(fault.Usage, "leave -jobs out to use every core", "-jobs=%d: at least 1", o.Jobs)
	}
	if o.Release < 1 {
		return fault.New(fault.Usage, "count from 1", "-release=%d: less than 1", o.Release)
	}
	if !packages.IsMaintainer(o.Maintainer) {
		return fault.New(fault.Usage, "such as -maintainer='Platform team <platform@example.org>'", "-maintainer=%q: not of the form Name <address>", o.Maintainer)
	}
	for _, kind := range o.Packages {
		if kind != packages.Deb && kind != packages.RPM {
			return fault.New(fault.Usage, "deb, rpm or both", "-packages=%s: no kind of package", kind)
		}
	}
	if o.Sequence < 0 || o.Valid < 1 {
		return fault.New(fault.Usage, "-sequence counts from 1, -valid is a number of days", "-sequence=%d, -valid=%d: too small", o.Sequence, o.Valid)
	}
	if o.Days < 0 {
		return fault.New(fault.Usage, "such as -days=30", "-days=%d: less than nothing", o.Days)
	}
	if o.Port < 0 || o.Port > 65535 {
		return fault.New(fault.Usage, "from 1 to 65535; leave -port out for any that are free", "-port=%d: no port", o.Port)
	}
	if o.Stale < 0 {
		return fault.New(fault.Usage, "such as -stale=720h", "-stale=%s: less than nothing", o.Stale)
	}
	if o.Wait < 0 {
		return fault.New(fault.Usage, "such as -wait=72h; 0 waits for nothing",
			"-wait=%s: less than nothing", o.Wait)
	}
	if o.Timeout < 0 {
		return fault.New(fault.Usage, "such as -timeout=45m", "-timeout=%s: less than nothing", o.Timeout)
	}
	return o.validateChoices()
}

func (o *options) validateChoices() error {
	for _, c := range []struct {
		flag, value string
		choices     []string
	}{
		{"-sandbox", o.Sandbox, []string{"auto", "require", "none"}},
		{"-deps", o.Deps, []string{"install", "check"}},
		{"-check", o.Check, []string{"index", "full"}},
		{"-floor", cmp.Or(o.Floor, "1.2"), []string{"1.2", "1.3"}},
		{"-max", cmp.Or(o.Max, "1.3"), []string{"1.0", "1.1", "1.2", "1.3"}},
		{"-trust", cmp.Or(o.Trust, "host"), []string{"host", "mozilla", "both"}},
		{"-mtls", cmp.Or(o.MTLS, "verify"), []string{"passthrough", "verify"}},
		{"-starttls", o.StartTLS, []string{"none", "postgres"}},
	} {
		if !slices.Contains(c.choices, c.value) {
			return fault.New(fault.Usage, "one of: "+strings.Join(c.choices, ", "), "%s=%s: unknown value", c.flag, c.value)
		}
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
