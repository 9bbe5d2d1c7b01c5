package command

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

// TestReportIsWholeOrNotThere fails the writing of each file in turn, in a folder that holds an older report.
func TestReportIsWholeOrNotThere(t *testing.T) {
	defer func() { fault.Inject = nil }()
	ch := &chosen{profile: &recipes.Profile{Name: "tiny"}}
	claims := []string{report.TestResultFile, report.SCAIFile, report.SVRFile}
	written := []string{report.ProofFile, report.VerdictFile, report.CasesFile, report.TranscriptsFile, report.JUnitFile, report.PageFile}
	for _, broken := range written {
		dir := t.TempDir()
		for _, name := range append(claims, written...) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		fault.Inject = func(point string) error {
			if point == "write "+broken {
				return syscall.ENOSPC
			}
			return nil
		}
		c := &command{options: options{Report: dir}, sink: func(event.Event) {}}
		err := c.writeReport(ch.about(deploy.Generation{}), &verify.Proof{Floor: verify.TLS12})
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s: %v", broken, err)
		}
		for _, name := range claims {
			if exists(filepath.Join(dir, name)) {
				t.Errorf("%s: the older %s is still there", broken, name)
			}
		}
		if text, _ := os.ReadFile(filepath.Join(dir, broken)); string(text) != "old" {
			t.Errorf("%s: it is now %q", broken, text)
		}
		left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v", broken, left)
		}
	}
}

// TestNoStatementIsAnError: who asked for statements and gets none is told so, with the exit code of an
// incomplete proof.
func TestNoStatementIsAnError(t *testing.T) {
	c := &command{options: options{Report: filepath.Join(t.TempDir(), "new", "folder")}, sink: func(event.Event) {}}
	err := c.writeReport(report.About{}, &verify.Proof{Floor: verify.TLS12})
	if fault.CodeOf(err) != fault.Incomplete || !strings.Contains(err.Error(), "names no tested file") || fault.HintOf(err) == "" {
		t.Errorf("%d, %v, hint %q", fault.CodeOf(err), err, fault.HintOf(err))
	}
	if !exists(filepath.Join(c.Report, report.PageFile)) {
		t.Error("no page either")
	}
}

// reported holds the report of a proof that passed against what it promises.
func reported(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]string{report.PageFile: "Proved: nothing below TLS 1.2 was reached", report.JUnitFile: `failures="0" errors="0" skipped="0"`,
		report.VerdictFile: "\nstatus pass\n", report.TranscriptsFile: "=== client-tls11-perm\n", report.TestResultFile: `"WARNED"`, report.SVRFile: `"TLSFLOOR_1_2"`,
		report.SCAIFile: `"client-tls11-perm"`, report.ProofFile: `"status": "pass"`, report.CasesFile: `"client-tls11-perm"`} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s has no %q: %v", name, want, err)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(text) {
			t.Errorf("%s is not JSON", name)
		}
	}
}
