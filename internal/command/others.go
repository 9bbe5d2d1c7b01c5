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

// verifyOther holds a Python, an openssl, a client or a server that tlsfloor did not make to the floor of the profile. Its controls
// are the profile's weak peers.
func (c *command) verifyOther(ctx context.Context) error {
	kind, name, err := c.other()
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
	ch.onlyControls(kind)
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
	reach, err := c.reach()
	if err != nil {
		return err
	}
	q, err := c.requestOther(ctx, w, b, reach, records, kind)
	if err != nil {
		return err
	}
	proof, err := trial.Run(ctx, q, c.sink)
	if err != nil {
		return err
	}
	if kind == verify.KindClient && b.mode == sandbox.Namespaces && !proof.Complete() {
		c.sink.Note(fmt.Sprintf("the client sees of this host: %s; -visible=<folder> shows more", reach))
	}
	if c.JSON {
		err = c.json(tried{name, proof})
	} else {
		proof.WriteTable(c.out, c.colour())
		c.line("subject: %s", name)
	}
	return errors.Join(deploy.Verdict(proof), err, c.writeReport(report.About{Profile: ch.profile.Name}, proof))
}

// requestOther is what the judge is asked about it. The weak peers stand in the rig, what is tried where it is.
func (c *command) requestOther(ctx context.Context, w *workshop, b rig, reach *trial.Reach,
	records map[string]store.Record, kind verify.Kind) (q trial.Request, err error) {
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
	weak.Python, weak.OpenSSL, weak.Command, weak.Endpoint, weak.StartTLS, weak.ServerName = c.Python, c.OpenSSL, c.Client, c.Server, c.StartTLS, c.ServerName
	weak.Backends = c.backends()
	floor, err := verify.ParseFloor(string(w.profile.Floor))
	if err != nil {
		return q, err
	}
	if err := c.imports(ctx, b.beside(reach), reach); err != nil {
		return q, err
	}
	q, err = b.request(floor, weak)
	if err != nil {
		return q, err
	}
	q.World, q.Kind, q.Reachable = b.beside(reach), kind, c.reachable()
	if err := c.versions(ctx, &q, reach); err != nil {
		return q, err
	}
	if err := addLibraries(ctx, &q, c.clientLibraries()); err != nil {
		return q, err
	}
	return q, nil
}

// onlyControls leaves of the recipes those that the controls of a kind need: without a Python there is none to build.
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
func (c *command) other() (kind verify.Kind, name string, err error) {
	programs := c.Python != "" || c.OpenSSL != ""
	switch {
	case programs && (c.Client != "" || c.Server != "") || c.Client != "" && c.Server != "":
		return "", "", fault.New(fault.Usage,
			"give -python and -openssl, or one of them, or -client, or -server",
			"verify: more than one thing to try")
	case c.Explain != "":
		return "", "", fault.New(fault.Usage,
			"leave the others out: the cases of the toolchain are explained",
			"verify: -explain runs nothing")
	case c.Server == "" && c.ServerName != "" || c.Server == "" && c.Client == "" && c.StartTLS != "none":
		return "", "", fault.New(fault.Usage, "such as -server=127.0.0.1:5432 -starttls=postgres",
			"verify: -starttls is for -server and -client, and -servername for -server")
	case c.Python == "" && len(c.Libraries) > 0 || c.OpenSSL != "" && len(c.Libraries) > 0:
		return "", "", fault.New(fault.Usage,
			"such as -python=/venv/bin/python3 -libraries=urllib3,botocore",
			"verify: -libraries are for -python alone")
	case c.Client != "":
		err = c.checkClient()
		if err == nil {
			err = c.checkLibraries()
		}
		return verify.KindClient, c.Client, err
	case c.Server != "":
		name = c.Server
		return verify.KindServer, name, c.checkServer()
	}
	for _, path := range []*string{&c.Python, &c.OpenSSL} {
		if *path == "" {
			continue
		}
		found, err := exec.LookPath(*path)
		if err == nil {
			found, err = filepath.Abs(found)
		}
		if err != nil {
			return "", "", fault.New(fault.Usage, "give the path of a program", "verify: %w", err)
		}
		*path, name = found, strings.TrimPrefix(name+", "+found, ", ")
	}
	switch {
	case c.OpenSSL == "":
		kind = verify.KindPython
	case c.Python == "":
		kind = verify.KindOpenSSL
	}
	return kind, name, c.checkLibraries()
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

// checkServer refuses an address that is not this machine's: hellos below the floor are an attack elsewhere. The name is looked up once,
// and what it leads to is tried; the server is called by the name.
func (c *command) checkServer() error {
	host, addr, err := ownServer("-server", c.Server)
	if err != nil {
		return err
	}
	if c.ServerName == "" && net.ParseIP(host) == nil {
		c.ServerName = host
	}
	c.Server = addr
	return nil
}

// ownServer looks up the server that a flag names, which has to listen at an address of this machine, and returns its host as it was
// given and the address that this leads to.
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
func (c *command) versions(ctx context.Context, q *trial.Request, reach *trial.Reach) error {
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
	if c.OpenSSL != "" {
		if q.OpenSSLVersion, err = ask(saidOpenSSL, c.OpenSSL, "version"); err != nil {
			return err
		}
	}
	if c.Python != "" {
		const program = "import platform, ssl; print('python', platform.python_version()); print(ssl.OPENSSL_VERSION)"
		if q.PythonVersion, err = ask(saidPython, c.Python, "-I", "-c", program); err == nil {
			q.OpenSSLVersion, err = ask(saidOpenSSL, c.Python, "-I", "-c",
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
