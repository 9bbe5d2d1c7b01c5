package cli

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
	"github.com/tlsfloor/tlsfloor/internal/fault"
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
	opts, name, err := c.other()
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
	ch.onlyControls(opts.Kind)
	w, records, err := c.ran(ctx, ch)
	if err != nil {
		return err
	}
	work, release, err := w.store.Work(ctx, "verify", false)
	if err != nil {
		return err
	}
	defer release()
	b := rig{mode: w.builder.Mode, host: w.builder.Host, work: work}
	if err := b.add(ctx, w, records, recipes.Control); err != nil {
		return err
	}
	weak := w.weak(b)
	if r, ok := records["python"]; ok { // the one that can load the weak _ssl: not at its prefix, where the subject may stand
		tree := filepath.Join(work, "python")
		if err := w.store.Restore(ctx, r.Output, tree); err != nil {
			return err
		}
		weak.WeakPython = filepath.Join(tree, "bin", "python3")
	}
	weak.Python, weak.OpenSSL, weak.Command, weak.Endpoint, weak.StartTLS, weak.ServerName = c.Python, c.OpenSSL, c.Client, c.Server, c.StartTLS, c.ServerName
	weak.Backends = c.backends()
	opts.Toolchain, opts.Open, opts.Launch, opts.Locate, opts.WorkDir, opts.Sink = weak, subject.Open, b.launch, b.locate, work, c.sink
	if opts.Floor, err = verify.ParseFloor(string(ch.profile.Floor)); err != nil {
		return err
	}
	if err := c.versions(ctx, b, &opts); err != nil {
		return err
	}
	if err := c.libraries(ctx, b, &opts); err != nil {
		return err
	}
	if err := loopback(ctx); err != nil {
		return err
	}
	proof, err := verify.Run(ctx, opts)
	if err != nil {
		return err
	}
	if c.JSON {
		err = c.json(tried{name, proof})
	} else {
		proof.WriteTable(c.out, c.colour())
		fmt.Fprintf(c.out, "subject: %s\n", name)
	}
	return errors.Join(deploy.Verdict(proof), err, c.writeReport(report.About{Profile: ch.profile.Name}, proof))
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
func (c *command) other() (o verify.Options, name string, err error) {
	programs := c.Python != "" || c.OpenSSL != ""
	switch {
	case programs && (c.Client != "" || c.Server != "") || c.Client != "" && c.Server != "":
		return o, "", fault.New(fault.Usage, "give -python and -openssl, or one of them, or -client, or -server", "verify: more than one thing to try")
	case c.Explain != "":
		return o, "", fault.New(fault.Usage, "leave the others out: the cases of the toolchain are explained", "verify: -explain runs nothing")
	case c.Server == "" && c.ServerName != "" || c.Server == "" && c.Client == "" && c.StartTLS != "none":
		return o, "", fault.New(fault.Usage, "such as -server=127.0.0.1:5432 -starttls=postgres", "verify: -starttls is for -server and -client, and -servername for -server")
	case c.Python == "" && len(c.Libraries) > 0 || c.OpenSSL != "" && len(c.Libraries) > 0:
		return o, "", fault.New(fault.Usage, "such as -python=/venv/bin/python3 -libraries=urllib3,botocore", "verify: -libraries are for -python alone")
	case c.Client != "":
		err = c.checkClient()
		if err == nil {
			err = c.checkLibraries()
		}
		return verify.Options{Kind: verify.KindClient}, c.Client, err
	case c.Server != "":
		o.Kind, name = verify.KindServer, c.Server
		err = c.checkServer()
		return o, name, err
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
			return o, "", fault.New(fault.Usage, "give the path of a program", "verify: %w", err)
		}
		*path, name = found, strings.TrimPrefix(name+", "+found, ", ")
	}
	switch {
	case c.OpenSSL == "":
		o.Kind = verify.KindPython
	case c.Python == "":
		o.Kind = verify.KindOpenSSL
	}
	return o, name, c.checkLibraries()
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
func (c *command) versions(ctx context.Context, b rig, o *verify.Options) error {
	ask := func(pattern *regexp.Regexp, argv ...string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		var said bounded
		cmd := b.launch(ctx, argv, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"})
		cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
		err := cmd.Run()
		if m := pattern.FindStringSubmatch(said.String()); err == nil && m != nil {
			return m[1], nil
		}
		return "", fault.New(fault.Usage, "give the path of an openssl, or of a Python on OpenSSL, that runs here; of other libraries a -client is judged by what it sends",
			"asking %s for its version: %w", argv[0], cmp.Or(err, fmt.Errorf("it says %q", strings.TrimSpace(said.String()))))
	}
	var err error
	if c.OpenSSL != "" {
		if o.OpenSSLVersion, err = ask(saidOpenSSL, c.OpenSSL, "version"); err != nil {
			return err
		}
	}
	if c.Python != "" {
		const program = "import platform, ssl; print('python', platform.python_version()); print(ssl.OPENSSL_VERSION)"
		if o.PythonVersion, err = ask(saidPython, c.Python, "-I", "-c", program); err == nil {
			o.OpenSSLVersion, err = ask(saidOpenSSL, c.Python, "-I", "-c", program) // most cases are the Python's
		}
	}
	return err
}

// bounded keeps the first of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, 4096-b.Len()))])
	return len(p), nil
}
