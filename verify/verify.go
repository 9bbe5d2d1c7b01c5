// Package verify is the judge: it tries every Case on a toolchain and returns a Proof.
//
// It knows nothing of how its subject was made. What it promises:
//
//   - A refusal counts only with its reason: who refused, which alert stood on the wire (parsed from the raw
//     records, not from an error text) and which reason the library gave.
//   - A verdict counts only if its controls behaved in the same run: the same program succeeds at the floor,
//     a weak peer of our own succeeds below it. Only a breach needs no control, since it was seen to happen.
//   - Unproven is the zero value of Status. A case that did not run, has no control, or is not in the list
//     that ExpectedCases gives for the floor and the versions never counts as Pass.
//   - A stored proof is judged again, from its transcripts and reports, when it is read: its statuses are not believed.
//   - Proof.Verdict gives the same bytes for the same behaviour: no randoms, times, ports or paths. Exceptions: none.
//   - Only this machine is spoken to: 127.0.0.1, and an Endpoint that the caller names. Reads are bounded, and a peer that hangs costs its
//     case one Timeout.
//
// What it does not show: ciphers beyond those of the cases; TLS libraries that wheels bring along; what a
// program does that was not tried.
//
// It imports the standard library, golang.org/x/crypto, internal/ground/event and internal/ground/elffile
// only, and never the builder. The programs themselves are driven by verify/subject, which is handed in as
// Options.Open.
package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// Toolchain says where the programs are, as compiled-in paths: what Launch can run and what Options.Locate
// can find.
type Toolchain struct {
	OpenSSL       string // the openssl binary
	OpenSSLPrefix string // holds lib/libssl.a and include/openssl; "" means two levels above OpenSSL
	Python        string
	Module        string // an _ssl extension module that Python loads in place of its own; "" its own

	WeakOpenSSL       string // the control's openssl: same version, old protocols left in
	WeakOpenSSLPrefix string // as OpenSSLPrefix
	WeakSSL           string // an `_ssl` extension module linked to the weak OpenSSL
	WeakPython        string // the Python that can load WeakSSL; "" means Python

	HostPython, HostOpenSSL string // extra controls, shown apart; "" none

	Objects  []string           // extension modules that the client libraries bring, which may have a TLS of their own
	Packages []string           // folders in which a weak Python finds the client libraries that Python has
	Backends map[Library]string // address:port of a plaintext server on this machine, which stands behind the judge's TLS

	Command    string // KindClient: a command line with {host}, {port}, {ca} and {url} in it
	Endpoint   string // KindServer: address:port on this machine
	ServerName string // KindServer: the name that it is called by (RFC 6066 section 3); "" localhost
	StartTLS   string // KindServer: what is spoken before TLS: "" nothing, "postgres"
}

func (t Toolchain) withDefaults() Toolchain {
	for path, binary := range map[*string]string{&t.OpenSSLPrefix: t.OpenSSL, &t.WeakOpenSSLPrefix: t.WeakOpenSSL} {
		if *path == "" && binary != "" {
			*path = filepath.Dir(filepath.Dir(binary))
		}
	}
	if t.WeakPython == "" {
		t.WeakPython = t.Python
	}
	return t
}

// Launch prepares a command with the complete environment env; it must share this process's loopback and see
// WorkDir.
type Launch func(ctx context.Context, argv, env []string) *exec.Cmd

// Files are what subjects read, all PEM and in the work folder but Conf.
type Files struct {
	CA                     string // the run's own root
	NewCA                  string // the root that it is rotated to
	BothCAs                string // a bundle of the two
	Cert                   string // a leaf for localhost and 127.0.0.1
	Key                    string // the key of all leaves and of Client
	CRL                    string // the first root's
	Client                 string // a client's certificate
	ClientPair, SealedPair string // certificate and key in one file, as MongoDB's clients want them
	SealedKey              string // Key, encrypted with the password of Identify(RightPassword)
	Conf                   string // an OPENSSL_CONF that allows every version at security level 0
}

func (f Files) all() []string {
	return []string{f.CA, f.NewCA, f.BothCAs, f.Cert, f.Key, f.CRL, f.Client, f.ClientPair, f.SealedPair,
		f.SealedKey, f.Conf}
}

// Roots returns the file that holds an anchor's CAs.
func (f Files) Roots(a Anchor) string {
	switch a {
	case NewCA:
		return f.NewCA
	case BothCAs:
		return f.BothCAs
	}
	return f.CA
}

// Identify returns a client's files and the password of its key, all "" where it has no identity.
func (f Files) Identify(i Identity) (cert, key, password string) {
	switch i {
	case Plain:
		return f.Client, f.Key, ""
	case RightPassword:
		return f.Client, f.SealedKey, rightPassword
	case WrongPassword:
		return f.Client, f.SealedKey, wrongPassword
	}
	return "", "", ""
}

// Pair returns the file that holds certificate and key of a client, "" where it has no identity.
func (f Files) Pair(i Identity) string {
	switch i {
	case Plain:
		return f.ClientPair
	case RightPassword, WrongPassword:
		return f.SealedPair
	}
	return ""
}

// Bench is what subjects are opened with.
type Bench struct {
	Toolchain
	Launch  Launch
	Files   Files
	Timeout time.Duration
}

// Subject is one program, driven. Its methods are called from several goroutines at once. An error means
// that the trial could not be made; a refusal is a Report.
type Subject interface {
	// Connect runs a client as s asks against addr and returns when it has ended.
	Connect(ctx context.Context, s Setup, addr string) (Report, error)
	// Serve starts a server for one connection and returns once it accepts.
	Serve(ctx context.Context, s Setup) (Service, error)
	// Inspect answers Has (what the ssl module says it has) and Maps (base names of the files mapped into the
	// process).
	Inspect(ctx context.Context, look Act) (Report, error)
	// Close ends every process that the subject started.
	Close() error
}

// Preamble is implemented by a Service whose protocol begins in the clear: Begin brings conn to where TLS
// begins.
type Preamble interface {
	Begin(conn net.Conn) error
}

// Service is a subject's server that waits for its one connection.
type Service interface {
	Addr() string
	Report(ctx context.Context) (Report, error) // waits until the connection has ended
	Close() error
}

// Subjects holds one Subject for each program that could be opened.
type Subjects map[Who]Subject

// Options is what Run needs. Zero fields have the defaults that their comments name.
type Options struct {
	Kind           Kind  // KindToolchain
	Floor          Floor // TLS12
	Toolchain      Toolchain
	OpenSSLVersion string // "3.5.7": decides what is expected
	PythonVersion  string
	Libraries      []Installed              // KindPython: the client libraries that are tried too
	Open           func(Bench) Subjects     // subject.Open
	Launch         Launch                   // direct
	Locate         func(path string) string // where this process finds a compiled-in path; identity
	WorkDir        string                   // a folder that exists, for the run's certificates; a temporary one
	Timeout        time.Duration            // for one trial: 10 s

	// reaches Toolchain.Endpoint and Backends; by TCP from here
	Own  func(path string) error // makes a file of the run's readable for subjects; none is needed
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	Sink event.Sink
}

func (o Options) withDefaults() Options {
	o.Toolchain = o.Toolchain.withDefaults()
	if o.Floor == 0 {
		o.Floor = TLS12
	}
	if o.Launch == nil {
		o.Launch = direct
	}
	if o.Locate == nil {
		o.Locate = func(path string) string { return path }
	}
	if o.Own == nil {
		o.Own = func(string) error { return nil }
	}
	if o.Dial == nil {
		o.Dial = dial
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	return o
}

// subject names what no file is hashed of.
func (o Options) subject() string {
	switch o.Kind {
	case KindClient:
		return o.Toolchain.Command
	case KindServer:
		return strings.TrimSpace(o.Toolchain.Endpoint + " " + o.Toolchain.ServerName)
	}
	return ""
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

func direct(ctx context.Context, argv, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	return cmd
}

// Run tries every expected case and returns the Proof. The error is for what keeps the judge itself from
// working, and for cancellation; a missing or misbehaving subject is in the Proof.
func Run(ctx context.Context, o Options) (*Proof, error) {
	o = o.withDefaults()
	if o.Open == nil {
		return nil, errors.New("options: no subjects: Open is nil")
	}
	if o.WorkDir == "" {
		dir, err := os.MkdirTemp("", "tlsfloor-verify-")
		if err != nil {
			return nil, fmt.Errorf("work folder of the proof: %w", err)
		}
		defer os.RemoveAll(dir)
		o.WorkDir = dir
	}
	start := time.Now()
	o.Sink.Emit(event.Event{Kind: event.Begin, Step: "verify"})
	c, err := newCourt(o)
	if err != nil {
		return nil, err
	}
	proof := &Proof{
		Kind: o.Kind, Subject: o.subject(), Floor: o.Floor, OpenSSLVersion: o.OpenSSLVersion, PythonVersion: o.PythonVersion, Libraries: o.Libraries, Time: start.UTC().Truncate(time.Second),
	}
	proof.Findings = c.hearAll(ctx, proof.Expected())
	proof.Hosts = c.hearHost(ctx, proof.Findings)
	proof.Subjects, proof.Controls = c.identify(ctx)
	proof.Executed = c.executed()
	if err := errors.Join(c.close(), ctx.Err()); err != nil {
		return nil, fmt.Errorf("proving the floor: %w", err)
	}
	proof.settle()
	o.Sink.Emit(event.Event{Kind: event.Done, Step: "verify", Text: proof.Summary(), Seconds: time.Since(start).Seconds()})
	return proof, nil
}

// hearAll runs the cases on as many workers as there are processors, and keeps their order.
func (c *court) hearAll(ctx context.Context, cases []Case) []Finding {
	findings := make([]Finding, len(cases))
	next := make(chan int)
	var wait sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		wait.Go(func() {
			for i := range next {
				findings[i] = c.hear(ctx, cases[i])
				status, _ := findings[i].judge(c.Floor)
				c.Sink.Emit(event.Event{Kind: event.Log, Step: "verify", Text: cases[i].Name + ": " + status.String()})
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	wait.Wait()
	return findings
}

// hear makes one case's trials: first the controls, then the thing itself.
func (c *court) hear(ctx context.Context, k Case) Finding {
	f := Finding{Case: k}
	for _, control := range k.Controls {
		f.Controls = append(f.Controls, c.try(ctx, control.Offer))
	}
	f.Trial = c.try(ctx, k.Offer)
	if f.Trial.Report.Reason == Closed { // it hung up: the controls have to behave after that as well, or it is just gone
		for i, control := range k.Controls {
			f.Controls[i] = c.try(ctx, control.Offer)
		}
	}
	return f
}
