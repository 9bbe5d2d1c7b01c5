package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"

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
	weak := b.weak(w)
	if r, ok := records["python"]; ok { // the one that can load the weak _ssl: not at its prefix, where the subject may stand
		tree := filepath.Join(work, "python")
		if err := w.store.Restore(ctx, r.Output, tree); err != nil {
			return err
		}
		weak.WeakPython = filepath.Join(tree, "bin", "python3")
	}
	weak.Python, weak.OpenSSL, weak.Command, weak.Endpoint, weak.StartTLS = c.Python, c.OpenSSL, c.Client, c.Server, c.StartTLS
	opts.Toolchain, opts.Open, opts.Launch, opts.Locate, opts.WorkDir, opts.Sink = weak, subject.Open, b.launch, b.locate, work, c.sink
	if opts.Floor, err = verify.ParseFloor(string(ch.profile.Floor)); err != nil {
		return err
	}
	if err := c.versions(ctx, b, &opts); err != nil {
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
	return errors.Join(c.outcome(proof), err, c.writeReport(report.About{Profile: ch.profile.Name, Subject: name}, proof))
}

// other reads what is to be tried.
func (c *command) other() (o verify.Options, name string, err error) {
	ours := c.Python != "" || c.OpenSSL != ""
	const hint = "give -python and -openssl, or one of them, or -client, or -server"
	switch {
	case ours && (c.Client != "" || c.Server != "") || c.Client != "" && c.Server != "":
		return o, "", fault.New(fault.Usage, hint, "verify: more than one thing to try")
	case c.Client != "":
		if !strings.Contains(c.Client, "{port}") && !strings.Contains(c.Client, "{url}") {
			return o, "", fault.New(fault.Usage, "such as -client='curl --cacert {ca} https://{host}:{port}/'", "-client=%q: it does not say where {port} or {url} goes", c.Client)
		}
		o.Kind, name = verify.KindClient, c.Client
	case c.Server != "":
		o.Kind, name = verify.KindServer, c.Server
		err = local(c.Server)
	case c.OpenSSL == "":
		o.Kind, name = verify.KindPython, c.Python
	case c.Python == "":
		o.Kind, name = verify.KindOpenSSL, c.OpenSSL
	default:
		name = c.Python + ", " + c.OpenSSL
	}
	return o, name, err
}

// local refuses an address that is not this machine's: hellos below the floor are an attack elsewhere.
func local(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fault.New(fault.Usage, "such as -server=127.0.0.1:4433", "-server=%s: %w", addr, err)
	}
	found, err := net.LookupIP(host)
	if err != nil {
		return fault.New(fault.Usage, "give an address of this machine", "-server=%s: %w", addr, err)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, ip := range found {
		mine := ip.IsLoopback()
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
				mine = true
			}
		}
		if !mine {
			return fault.New(fault.Usage, "run it on that machine", "-server=%s: %s is not an address of this machine", addr, ip)
		}
	}
	return nil
}

var (
	saidOpenSSL = regexp.MustCompile(`OpenSSL (\d+\.\d+\.\d+[a-z]*)`)
	saidPython  = regexp.MustCompile(`(?m)^python (\d+\.\d+\.\d+)`)
)

// versions asks the programs for theirs: what is expected of them depends on it.
func (c *command) versions(ctx context.Context, b rig, o *verify.Options) error {
	ask := func(argv ...string) (string, error) {
		out, err := b.launch(ctx, argv, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}).CombinedOutput()
		if err != nil {
			return "", fault.New(fault.Usage, "give the path of a program that runs here", "asking %s for its version: %w: %s", argv[0], err, bytes.TrimSpace(out))
		}
		return string(out), nil
	}
	if c.OpenSSL != "" {
		said, err := ask(c.OpenSSL, "version")
		if err != nil {
			return err
		}
		if m := saidOpenSSL.FindStringSubmatch(said); m != nil {
			o.OpenSSLVersion = m[1]
		}
	}
	if c.Python != "" {
		said, err := ask(c.Python, "-I", "-c", "import platform, ssl; print('python', platform.python_version()); print(ssl.OPENSSL_VERSION)")
		if err != nil {
			return err
		}
		if m := saidPython.FindStringSubmatch(said); m != nil {
			o.PythonVersion = m[1]
		}
		if m := saidOpenSSL.FindStringSubmatch(said); m != nil { // most cases are the Python's
			o.OpenSSLVersion = m[1]
		}
	}
	return nil
}
