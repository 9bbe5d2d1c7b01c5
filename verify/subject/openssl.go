package subject

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

// openSSL is the command-line program; every trial is a process of its own.
type openSSL struct {
	bench verify.Bench
	path  string

	look      sync.Once // at the first server
	ran, maps []verify.Tested
}

// Executed implements verify.Executioner. Where no server was started, nothing was seen.
func (o *openSSL) Executed() []verify.Ran {
	o.look.Do(func() {})
	return []verify.Ran{{Programs: o.ran, Maps: o.maps}}
}

// protocolNames are the versions as s_client and SSL_CONF_cmd(3ssl) spell them.
var protocolNames = map[wire.Version]string{
	wire.SSL30: "SSLv3", wire.TLS10: "TLSv1", wire.TLS11: "TLSv1.1", wire.TLS12: "TLSv1.2", wire.TLS13: "TLSv1.3",
}

// flags are the options that s_client and s_server share (SSL_CONF_cmd(3ssl)).
func flags(s verify.Setup) (args []string) {
	if s.Min != 0 {
		args = append(args, "-min_protocol", protocolNames[s.Min])
	}
	if s.Max != 0 {
		args = append(args, "-max_protocol", protocolNames[s.Max])
	}
	switch {
	case s.Ciphers != "":
		args = append(args, "-cipher", s.Ciphers)
	case s.Level0:
		args = append(args, "-cipher", "DEFAULT@SECLEVEL=0")
	}
	if s.Legacy {
		args = append(args, "-legacy_server_connect")
	}
	if s.Status {
		args = append(args, "-status")
	}
	if s.Context == "dtls1" {
		args = append(args, "-dtls1")
	}
	return args
}

// Connect implements verify.Subject. Standard input stays open, so that s_client ends when the server does
// and not before.
func (o *openSSL) Connect(ctx context.Context, s verify.Setup, addr string) (verify.Report, error) {
	argv := append([]string{o.path, "s_client", "-connect", addr, "-servername", "localhost",
		"-CAfile", o.bench.Files.Roots(s.Trust), "-verify_return_error"}, flags(s)...)
	if s.StartTLS == verify.Postgres || o.bench.Command != "" && o.bench.StartTLS == verify.Postgres {
		argv = append(argv, "-starttls", "postgres")
	}
	if !s.Status { // which -brief would say nothing of
		argv = append(argv, "-brief")
	}
	out := &lines{}
	p, err := start(ctx, o.bench, argv, s.Conf, out, out)
	if err != nil {
		return verify.Report{}, err
	}
	defer p.close()
	if err := p.wait(ctx); err != nil {
		return verify.Report{}, fmt.Errorf("waiting for s_client: %w", err)
	}
	report := parse(out.String())
	if s.Status && report.OK {
		report.Staple = staple(out.String())
	}
	return report, nil
}

// staple brings what s_client -status prints into one word.
func staple(out string) verify.Staple {
	switch m := certStatusLine.FindStringSubmatch(out); {
	case m != nil:
		return verify.Staple(m[1])
	case strings.Contains(out, "OCSP response: no response"):
		return verify.AbsentStaple
	}
	return ""
}

var (
	certStatusLine = regexp.MustCompile(`(?m)^\s*Cert Status: (good|revoked|unknown)`)
	acceptLine     = regexp.MustCompile(`^ACCEPT (127\.0\.0\.1:\d+)\s*$`)
	protocolLine   = regexp.MustCompile(`(?m)^(?:Protocol version: |\s*Protocol *: |New, )(TLSv[0-9.]+|SSLv3)`) // with -brief, and without, where a session may or may not be printed
	cipherLine     = regexp.MustCompile(`(?m)^(?:Ciphersuite|\s*Cipher *): (\S+)`)
	// error:0A000102:SSL routines::unsupported protocol:ssl/... and error:1425F102:SSL
	// routines:function:unsupported protocol:ssl/...
	errorLine  = regexp.MustCompile(`(?m)error:[0-9A-Fa-f]{8}:SSL routines:[^:\n]*:([^:\n]+):`)
	optionLine = regexp.MustCompile(`(?mi)^.*unknown option:? -.*$`)
)

// parse brings what s_client or s_server wrote into a Report. The first error of the queue is the cause of
// the others.
func parse(out string) verify.Report {
	if m := optionLine.FindString(out); m != "" {
		return verify.Report{Reason: "UNKNOWN_OPTION", Text: m}
	}
	if m := errorLine.FindStringSubmatch(out); m != nil {
		reason := strings.ToUpper(strings.ReplaceAll(m[1], " ", "_"))
		if reason == "UNEXPECTED_EOF_WHILE_READING" {
			reason = verify.EOF
		}
		return verify.Report{Reason: reason, Text: strings.TrimSuffix(m[0], ":")}
	}
	if m := protocolLine.FindStringSubmatch(out); m != nil {
		report := verify.Report{OK: true}
		for v, name := range protocolNames {
			if name == m[1] {
				report.Version = v
			}
		}
		if c := cipherLine.FindStringSubmatch(out); c != nil {
			report.Cipher = c[1]
		}
		return report
	}
	return verify.Report{Text: strings.TrimSpace(out[:min(len(out), 500)])}
}

// Inspect implements verify.Subject.
func (o *openSSL) Inspect(_ context.Context, look verify.Act) (verify.Report, error) {
	return verify.Report{}, fmt.Errorf("openssl: look %q: nothing to look at", look)
}

// Close implements verify.Subject. There is nothing to end: Connect and Service.Close return only when their
// process has ended.
func (o *openSSL) Close() error { return nil }

// opensslServer is an s_server for one connection.
type opensslServer struct {
	*process
	out  *lines
	addr string
}

// Serve implements verify.Subject. The server is ready when it prints the port that the kernel gave it.
func (o *openSSL) Serve(ctx context.Context, s verify.Setup) (verify.Service, error) {
	argv := append([]string{o.path, "s_server", "-accept", "127.0.0.1:0", "-naccept", "1",
		"-cert", o.bench.Files.Cert, "-key", o.bench.Files.Key}, flags(s)...)
	ready := make(chan string, 1)
	out := &lines{each: func(line string) {
		if m := acceptLine.FindStringSubmatch(line); m != nil {
			select {
			case ready <- m[1]:
			default:
			}
		}
	}}
	p, err := start(ctx, o.bench, argv, s.Conf, out, out)
	if err != nil {
		return nil, err
	}
	select {
	case addr := <-ready:
		o.look.Do(func() { o.ran, o.maps = executed(p.cmd.Process.Pid) })
		return &opensslServer{p, out, addr}, nil
	case <-p.done:
		err = fmt.Errorf("s_server has ended: %s", out.tail())
	case <-ctx.Done():
		err = fmt.Errorf("waiting for s_server: %w", ctx.Err())
	}
	p.close()
	return nil, err
}

// Addr implements verify.Service.
func (s *opensslServer) Addr() string { return s.addr }

// Report implements verify.Service.
func (s *opensslServer) Report(ctx context.Context) (verify.Report, error) {
	if err := s.wait(ctx); err != nil {
		return verify.Report{}, fmt.Errorf("waiting for s_server: %w", err)
	}
	return parse(s.out.String()), nil
}

// Close implements verify.Service.
func (s *opensslServer) Close() error {
	s.close()
	return nil
}
