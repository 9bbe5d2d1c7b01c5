package bump

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Suites are those of Debian in which newer versions can be.
var Suites = []string{"stable", "testing", "unstable"}

// Keyring is where Debian's keys are on its hosts.
const Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Lists says which lists of source packages NewApt reads.
type Lists struct {
	Dir      string           // a private folder for them: the host's own lists are left alone
	Bases    []string         // of archives, as the host's apt knows them
	Suites   []string         // of each
	Packages []string         // source packages that are asked for later
	Keyring  string           // binary OpenPGP keys that sign the archives
	Stale    time.Duration    // for how long lists are taken after their time
	Now      func() time.Time // nil: time.Now
}

// Apt has the stanzas of some source packages out of signed lists.
type Apt struct{ stanzas []string }

// NewApt has apt fetch the lists, because it knows the host's proxies and mirrors, and believes nothing of
// what it has fetched: the signature of each InRelease is verified here with the keyring, and the digest of
// each list is held against its InRelease. So it does not matter what apt is configured to let pass. One
// list that is not in order is an error.
func NewApt(ctx context.Context, l Lists) (*Apt, error) {
	if l.Now == nil {
		l.Now = time.Now
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "tmp"} {
		if err := os.MkdirAll(filepath.Join(l.Dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	sources := l.sources()
	if sources == "" {
		return nil, errors.New("apt knows no archive of Debian's here")
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "sources.list"), []byte(sources), 0o644); err != nil {
		return nil, err
	}
	if err := l.update(ctx); err != nil {
		return nil, err
	}
	return l.read()
}

// sources is a sources.list of the suites.
func (l Lists) sources() string {
	var list strings.Builder
	for _, base := range l.Bases {
		security := strings.HasSuffix(strings.TrimRight(base, "/"), "-security")
		if !strings.Contains(base, "debian") || strings.ContainsAny(base, "[] \n") ||
			strings.Contains(list.String(), " "+base+" ") {
			continue
		}
		for _, suite := range l.Suites {
			if security {
				suite += "-security"
			}
			if suite != "unstable-security" && suite != "testing-security" {
				fmt.Fprintf(&list, "deb-src [signed-by=%s] %s %s main\n", l.Keyring, base, suite)
			}
		}
	}
	return list.String()
}

// update runs apt-get. The options are for its messages and for where it writes; none is needed to believe
// the result.
func (l Lists) update(ctx context.Context) error {
	program := owned.Program("", "apt-get")
	if program == "" {
		return errors.New("no apt-get on this host")
	}
	var args []string
	for _, option := range []string{
		"Dir::State::lists=" + l.Dir + "/lists",
		"Dir::Etc::sourcelist=" + l.Dir + "/sources.list", "Dir::Etc::sourceparts=-",
		"Dir::Cache=" + l.Dir + "/cache", "Dir::State::status=/dev/null", "APT::Sandbox::User=",
		"Acquire::Languages=none", "Acquire::GzipIndexes=false", // it lies there as its digest is of
		"Acquire::AllowInsecureRepositories=false", "Acquire::AllowWeakRepositories=false",
		"Acquire::AllowDowngradeToInsecureRepositories=false", "APT::Get::AllowUnauthenticated=false",
		"Acquire::Check-Valid-Until=false", "Acquire::Check-Date=false", // release.check does that
	} {
		args = append(args, "-o", option)
	}
	cmd := exec.CommandContext(ctx, program, append(args, "--error-on=any", "update")...)
	// Without the caller's APT_CONFIG.
	cmd.Env, cmd.Dir = owned.Environment("HOME="+l.Dir, "TMPDIR="+l.Dir+"/tmp"), "/"
	cmd.WaitDelay = time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get update: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	return nil
}

// Has reports whether the lists can be asked for the source: its file's name has to hold its version.
func (a *Apt) Has(s recipes.Source, old string) bool {
	return s.Apt != nil && pattern(s.Apt.File, old) != nil
}

// Candidates are the versions newer than old of the source that the lists have.
func (a *Apt) Candidates(s recipes.Source, old string, sameSeries bool) (all []Candidate) {
	names := pattern(s.Apt.File, old)
	for _, stanza := range a.stanzas {
		st := parseStanza(stanza)
		if st.pkg != s.Apt.Package {
			continue
		}
		for file, l := range st.files {
			m := names.FindStringSubmatch(file)
			if m == nil || m[0] != file || !newer(m[1], old, sameSeries) || renamed(s, old, m[1]).File == s.File {
				continue
			}
			c := Candidate{Version: m[1], Source: renamed(s, old, m[1])}
			c.Voucher = "Debian's signed list of sources has the digest, of " + st.pkg + " " + st.version
			c.Source.SHA256, c.Source.Size = l.sha256, l.size
			if g := c.Source.Signature; g != nil && g.Apt != nil {
				if sig, ok := st.files[g.Apt.File]; ok {
					g.SHA256 = sig.sha256
				} else {
					g.Apt = nil
				}
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, order)
	return all
}
