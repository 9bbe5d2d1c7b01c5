package trial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/verify"
	"golang.org/x/sys/unix"
)

// proberName makes of this test's program one that is tried, and that tells what it reaches of its host.
const proberName = "tlsfloor-test-prober"

func init() {
	if len(os.Args) > 1 && os.Args[1] == proberName {
		for _, found := range probe(os.Args[2:]) {
			fmt.Println("reached", found)
		}
		os.Exit(1)
	}
}

// probe tries what it is told: unix:<socket>, tcp:<address>, read:<file>, see:<path>; and the interfaces of
// its network in three ways.
func probe(targets []string) (found []string) {
	for _, target := range targets {
		kind, what, _ := strings.Cut(target, ":")
		var err error
		switch kind {
		case "unix", "tcp":
			var conn net.Conn
			if conn, err = net.DialTimeout(kind, what, time.Second); err == nil {
				conn.Close()
			}
		case "read":
			_, err = os.ReadFile(what)
		case "see":
			_, err = os.Lstat(what)
		}
		if err == nil {
			found = append(found, target)
		}
	}
	interfaces, _ := net.Interfaces() // by netlink
	for _, one := range interfaces {
		if one.Name != "lo" {
			found = append(found, "interface")
			break
		}
	}
	if fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err == nil {
		found = append(found, "packets")
		unix.Close(fd)
	}
	if text, _ := os.ReadFile("/proc/net/unix"); strings.Contains(string(text), "@tlsfloor-test") {
		found = append(found, "names of sockets")
	}
	return found
}

func namespaces(t *testing.T) {
	t.Helper()
	if mode, reason := sandbox.Probe(t.Context()); mode != sandbox.Namespaces {
		t.Skip("no namespaces here: " + reason)
	}
}

// canaries are services and secrets of this host for the prober to reach.
func canaries(t *testing.T) (targets []string) {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "tlsfloor-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for network, addr := range map[string]string{"unix": filepath.Join(dir, "socket"), "tcp": "127.0.0.1:0"} {
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		targets = append(targets, network+":"+l.Addr().String())
	}
	abstract, err := net.Listen("unix", "@tlsfloor-test-"+filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { abstract.Close() })
	secret := put(t, filepath.Join(dir, "secret"), "secret")
	targets = append(targets, "unix:"+abstract.Addr().String(), "read:"+secret,
		fmt.Sprintf("read:/proc/%d/environ", os.Getpid()),
		fmt.Sprintf("read:/proc/%d/root%s", os.Getpid(), secret))
	for _, path := range []string{"read:/etc/shadow", "see:/root", "see:/home", "see:/run", "see:/var/lib",
		"see:/etc/ssh"} {
		if kind, what, _ := strings.Cut(path, ":"); kind == "see" || os.Geteuid() == 0 {
			if _, err := os.Lstat(what); err == nil {
				targets = append(targets, path)
			}
		}
	}
	return targets
}

// clientOf is a request whose client is this program as the prober.
func clientOf(t *testing.T, targets []string) Request {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	var reach Reach
	reach.Add(self)
	return Request{
		World: World{Mode: sandbox.Namespaces, Mounts: reach.Mounts()}, Kind: verify.KindClient,
		Floor: verify.TLS12, WorkDir: work, Timeout: 10 * time.Second,
		Toolchain: verify.Toolchain{Command: self + " " + proberName + " '" + strings.Join(targets, "' '") +
			"' # {port}"},
	}
}

// TestSubjectReachesNothing has a program that is tried look for the host's services, files and network. The
// same program without the trial's walls, which reaches them, is the control.
func TestSubjectReachesNothing(t *testing.T) {
	namespaces(t)
	targets := canaries(t)
	q := clientOf(t, targets)
	self, _ := os.Executable()
	out, _ := exec.Command(self, append([]string{proberName}, targets...)...).CombinedOutput()
	for _, target := range targets {
		if !strings.Contains(string(out), "reached "+target+"\n") {
			t.Errorf("control: outside it does not reach %s", target)
		}
	}
	proof, err := Run(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, f := range proof.Findings {
		if f.Report.Reason != "EXIT_1" {
			t.Errorf("%s: the prober did not run: %s %s", f.Case.Name, f.Problem, f.Report.Text)
			continue
		}
		tried++
		if f.Report.Text != "" {
			t.Errorf("%s: inside it %s", f.Case.Name, strings.ReplaceAll(f.Report.Text, "\n", ", "))
		}
	}
	if tried == 0 {
		t.Error("nothing was tried")
	}
}

// TestSubjectLeavesNothing has a client write wherever it can; what it wrote is gone.
func TestSubjectLeavesNothing(t *testing.T) {
	namespaces(t)
	q := clientOf(t, nil)
	q.Toolchain.Command = "for d in / /tmp " + q.WorkDir +
		" /usr /opt; do echo x 2>/dev/null >$d/tlsfloor-test-left && test $d != /tmp && echo wrote $d; done; " +
		"exit 1 # {port}"
	proof, err := Run(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range proof.Findings {
		if f.Report.Reason != "EXIT_1" || strings.Contains(f.Report.Text, "wrote") {
			t.Errorf("%s: %s %q", f.Case.Name, f.Report.Reason, f.Report.Text)
		}
	}
	for _, dir := range []string{"/tmp", q.WorkDir} {
		if _, err := os.Lstat(filepath.Join(dir, "tlsfloor-test-left")); err == nil {
			t.Errorf("it left a file in %s", dir)
		}
	}
}

// server is one of TLS 1.2 and later on this host's own loopback.
func server(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	peer, err := verify.NewPeer(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := peer.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert},
		MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				conn.(*tls.Conn).Handshake()
			}()
		}
	}()
	return l.Addr().String()
}

// The host's own loopback is reached by the judge at the addresses that were named, and at no other.
func TestNamedServerIsReached(t *testing.T) {
	namespaces(t)
	addr := server(t)
	for _, reachable := range [][]string{{addr}, nil} {
		q := Request{World: World{Mode: sandbox.Namespaces}, Kind: verify.KindServer, Floor: verify.TLS12,
			WorkDir: t.TempDir(), Reachable: reachable,
			Toolchain: verify.Toolchain{Endpoint: addr}}
		proof, err := Run(t.Context(), q, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(proof.Findings,
			func(f verify.Finding) bool { return f.Case.Name == "server-floor" })
		switch f := proof.Findings[i]; {
		case reachable != nil && f.Status != verify.Pass:
			t.Errorf("named: %s: %s", f.Status, f.Reason)
		case reachable == nil && !strings.Contains(f.Problem, "no address that the trial may reach"):
			t.Errorf("not named: %s: %s", f.Status, f.Problem)
		}
	}
}

// A cancelled trial ends soon, with its subjects, and events come while it goes on.
func TestCancelledTrial(t *testing.T) {
	namespaces(t)
	q := clientOf(t, nil)
	q.Toolchain.Command = "sleep 600 # {port}"
	q.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	var begun atomic.Bool
	_, err := Run(ctx, q, func(e event.Event) {
		if e.Kind == event.Begin {
			begun.Store(true)
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !begun.Load() {
		t.Errorf("begun %v: %v", begun.Load(), err)
	}
}

func TestBrokenTrial(t *testing.T) {
	namespaces(t)
	q := clientOf(t, nil)
	q.WorkDir = filepath.Join(q.WorkDir, "none")
	if _, err := Run(t.Context(), q, nil); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("without a work folder: %v", err)
	}
}
