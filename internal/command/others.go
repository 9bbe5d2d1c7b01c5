package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/engine/trial"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
	"github.com/tlsfloor/tlsfloor/verify/subject"
)

// tried is the result of a trial of something else, for programs (-json).
type tried struct {
	Subject string        `json:"subject"`
	Proof   *verify.Proof `json:"proof"`
}

// other is what is tried instead of an installation: programs by the paths that they were found at, servers
// by the addresses that their names lead to.
type other struct {
	kind            verify.Kind
	name            string
	python, openssl string
	server          string
	serverName      string
	backends        []backend
}

// verifyOther holds a Python, an openssl, a client or a server that tlsfloor did not make to the floor of the
// profile. Its controls are the profile's weak peers.
func (c *command) verifyOther(ctx context.Context) error {
	o, err := c.other()
	if err == nil {
		err = c.refuseReport()
	}
	if err != nil {
		return err
	}
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	ch.onlyControls(o.kind)
	w, records, err := c.ran(ctx, ch)
	if err != nil {
		return err
	}
	work, release, err := w.store.Work(ctx, "verify", false)
	if err != nil {
		return err
	}
	defer release()
	b := rig{mode: w.builder.Mode, work: work}
	reach, err := c.reach(o)
	if err != nil {
		return err
	}
	q, err := c.requestOther(ctx, w, o, b, reach, records)
	if err != nil {
		return err
	}
	proof, err := trial.Run(ctx, q, c.sink)
	if err != nil {
		return err
	}
	if o.kind == verify.KindClient && b.mode == sandbox.Namespaces && !proof.Complete() {
		c.sink.Note(fmt.Sprintf("the client sees of this host: %s; -visible=<folder> shows more", reach))
	}
	if c.JSON {
		err = c.json(tried{o.name, proof})
	} else {
		proof.WriteTable(c.out, c.colour())
		c.line("subject: %s", o.name)
	}
	return errors.Join(deploy.Verdict(proof), err, c.writeReport(report.About{Profile: ch.profile.Name}, proof))
}

// requestOther is what the judge is asked about it. The weak peers stand in the rig, what is tried where it
// is.
func (c *command) requestOther(ctx context.Context, w *workshop, o other, b rig, reach *trial.Reach,
	records map[string]store.Record) (q trial.Request, err error) {
	if err := b.add(ctx, w, records, recipes.Control); err != nil {
		return q, err
	}
	weak := w.weak(b)
	if r, ok := records["python"]; ok { // the one that can load the weak _ssl: not at its prefix, where the subject may stand
		tree := filepath.Join(b.work, "python")
		if err := w.store.Restore(ctx, r.Output, tree); err != nil {
			return q, err
		}
		reach.Add(tree)
		weak.WeakPython = filepath.Join(tree, "bin", "python3")
	}
	weak.Python, weak.OpenSSL, weak.Command = o.python, o.openssl, c.Client
	weak.Endpoint, weak.StartTLS, weak.ServerName = o.server, c.StartTLS, o.serverName
	weak.Backends = o.behind()
	floor, err := verify.ParseFloor(string(w.profile.Floor))
	if err != nil {
		return q, err
	}
	if err := c.imports(ctx, o, b.beside(reach), reach); err != nil {
		return q, err
	}
	q, err = b.request(floor, weak)
	if err != nil {
		return q, err
	}
	q.World, q.Kind, q.Reachable = b.beside(reach), o.kind, o.reachable()
	if err := c.versions(ctx, o, &q, reach); err != nil {
		return q, err
	}
	if err := addLibraries(ctx, &q, c.clientLibraries()); err != nil {
		return q, err
	}
	return q, nil
}

// onlyControls leaves of the recipes those that the controls of a kind need: without a Python there is none
// to build.
func (ch *chosen) onlyControls(kind verify.Kind) {
	need := map[string]bool{"openssl-weak": true, "python-weak": kind == verify.KindToolchain || kind == verify.KindPython}
	for i := len(ch.recipes) - 1; i >= 0; i-- { // they are in order of need
		if r := ch.recipes[i]; need[r.Name] {
			for _, name := range r.Needs {
				need[name] = true
			}
		}
	}
	ch.recipes = slices.DeleteFunc(ch.recipes, func(r *recipes.Recipe) bool { return !need[r.Name] })
}

// other reads what is to be tried, and looks at it before minutes are spent on its controls.
func (c *command) other() (o other, err error) {
	o = other{server: c.Server, serverName: c.ServerName, backends: c.servers()}
	programs := c.Python != "" || c.OpenSSL != ""
	switch {
	case programs && (c.Client != "" || c.Server != "") || c.Client != "" && c.Server != "":
		return o, fault.New(fault.Usage,
			"give -python and -openssl, or one of them, or -client, or -server",
			"verify: more than one thing to try")
	case c.Explain != "":
		return o, fault.New(fault.Usage,
			"leave the others out: the cases of the toolchain are explained",
			"verify: -explain runs nothing")
	case c.Server == "" && c.ServerName != "" || c.Server == "" && c.Client == "" && c.StartTLS != "none":
		return o, fault.New(fault.Usage, "such as -server=127.0.0.1:5432 -starttls=postgres",
			"verify: -starttls is for -server and -client, and -servername for -server")
	case c.Python == "" && len(c.Libraries) > 0 || c.OpenSSL != "" && len(c.Libraries) > 0:
		return o, fault.New(fault.Usage,
			"such as -python=/venv/bin/python3 -libraries=urllib3,botocore",
			"verify: -libraries are for -python alone")
	case c.Client != "":
		o.kind, o.name = verify.KindClient, c.Client
		if err = c.checkClient(); err != nil {
			return o, err
		}
	case c.Server != "":
		o.kind, o.name = verify.KindServer, c.Server
		o.server, o.serverName, err = c.checkServer()
		return o, err
	default:
		if err = o.find(c.Python, c.OpenSSL); err != nil {
			return o, err
		}
	}
	o.backends, err = c.checkLibraries()
	return o, err
}

// find looks for the programs.
func (o *other) find(python, openssl string) (err error) {
	if o.python, err = found(python); err != nil {
		return err
	}
	if o.openssl, err = found(openssl); err != nil {
		return err
	}
	switch {
	case openssl == "":
		o.kind, o.name = verify.KindPython, o.python
	case python == "":
		o.kind, o.name = verify.KindOpenSSL, o.openssl
	default:
		o.name = o.python + ", " + o.openssl
	}
	return nil
}

// found is the path of a program that a flag names, "" for none.
func found(program string) (string, error) {
	if program == "" {
		return "", nil
	}
	path, err := exec.LookPath(program)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fault.New(fault.Usage, "give the path of a program", "verify: %w", err)
	}
	return path, nil
}

func (c *command) checkClient() error {
	if !strings.Contains(c.Client, "{port}") && !strings.Contains(c.Client, "{url}") {
		return fault.New(fault.Usage, "such as -client='curl --cacert {ca} https://{host}:{port}/'", "-client=%q: it does not say where {port} or {url} goes", c.Client)
	}
	values := map[string]string{}
	for _, name := range []string{"host", "port", "addr", "url", "ca"} {
		values[name] = ""
	}
	if _, _, err := subject.Fill(c.Client, values); err != nil {
		return fault.New(fault.Usage, `such as -client="python3 check.py {ca} {url}"`, "-client: %w", err)
	}
	return nil
}

// checkServer refuses an address that is not this machine's: hellos below the floor are an attack elsewhere.
// The name is looked up once, and what it leads to is tried; the server is called by the name.
func (c *command) checkServer() (addr, name string, err error) {
	host, addr, err := ownServer("-server", c.Server)
	if err != nil {
		return "", "", err
	}
	if c.ServerName == "" && net.ParseIP(host) == nil {
		return addr, host, nil
	}
	return addr, c.ServerName, nil
}

// ownServer looks up the server that a flag names, which has to listen at an address of this machine, and
// returns its host as it was given and the address that this leads to.
func ownServer(flag, given string) (host, addr string, err error) {
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return "", "", fault.New(fault.Usage, "such as "+flag+"=127.0.0.1:4433", "%s=%s: %w", flag, given, err)
	}
	found, err := net.LookupIP(host)
	if err != nil {
		return "", "", fault.New(fault.Usage, "give an address of this machine", "%s=%s: %w", flag, given, err)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return "", "", err
	}
	ip := found[0]
	mine := ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
	if !mine {
		return "", "", fault.New(fault.Usage, "run it on that machine", "%s=%s: %s is not an address of this machine", flag, given, ip)
	}
	addr = net.JoinHostPort(ip.String(), port)
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return "", "", fault.New(fault.Usage, "start the server first", "%s=%s: %w", flag, given, err)
	}
	return host, addr, conn.Close()
}

var (
	saidOpenSSL = regexp.MustCompile(`OpenSSL (\d+\.\d+\.\d+[a-z]*)`)
	saidPython  = regexp.MustCompile(`(?m)^python (\d+\.\d+\.\d+)`)
)

// versions asks the programs for theirs: what is expected of them depends on it.
func (c *command) versions(ctx context.Context, o other, q *trial.Request, reach *trial.Reach) error {
	ask := func(pattern *regexp.Regexp, argv ...string) (string, error) {
		said, err := c.ask(ctx, q.World, argv...)
		if m := pattern.FindStringSubmatch(said); err == nil && m != nil {
			return m[1], nil
		}
		hint := "give the path of an openssl, or of a Python on OpenSSL, that runs here; " +
			"of other libraries a -client is judged by what it sends"
		if q.Mode == sandbox.Namespaces {
			hint += fmt.Sprintf("; it sees of this host: %s; -visible=<folder> shows more", reach)
		}
		return "", fault.New(fault.Usage, hint, "asking %s for its version: %w", argv[0], cmp.Or(err,
			fmt.Errorf("it says %q", said)))
	}
	var err error
	if o.openssl != "" {
		if q.OpenSSLVersion, err = ask(saidOpenSSL, o.openssl, "version"); err != nil {
			return err
		}
	}
	if o.python != "" {
		const program = "import platform, ssl; print('python', platform.python_version()); print(ssl.OPENSSL_VERSION)"
		if q.PythonVersion, err = ask(saidPython, o.python, "-I", "-c", program); err == nil {
			q.OpenSSLVersion, err = ask(saidOpenSSL, o.python, "-I", "-c",
				program) // most cases are the Python's
		}
	}
	return err
}

// ask runs a program without a network and returns the first of what it says; an error has its last line.
func (c *command) ask(ctx context.Context, w trial.World, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var said bounded
	cmd := w.Alone(ctx, argv, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"})
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	err := cmd.Run()
	text := strings.TrimSpace(said.String())
	if err != nil && text != "" {
		err = fmt.Errorf("%w: %s", err, text[strings.LastIndexByte(text, '\n')+1:])
	}
	return text, err
}

// bounded keeps the first of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, 4096-b.Len()))])
	return len(p), nil
}
