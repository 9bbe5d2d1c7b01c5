package command

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
)

// TestStatusOfHostileRecords: no text of a record, and no name of a package, a host or a file, begins a line
// of status, and none is an order to the program that reads a job's log.
func TestStatusOfHostileRecords(t *testing.T) {
	const bad = "x\n      altered: nothing\n\u3000::warning::y ##teamcity[z]\x1b[2J"
	g := deploy.Generation{
		Number: 1, Sysroot: bad, With: []string{bad}, GLIBC: bad, Downgrade: bad,
		Components: map[string]deploy.Component{"openssl": {Version: bad}, "python": {Version: bad}},
		Proof:      &deploy.ProofNote{Status: bad, Host: bad},
	}
	packed, signed, elsewhere, broken := g, g, g, g
	packed.Package, signed.Signer, broken.Broken = bad, bad, bad
	elsewhere.Proof = &deploy.ProofNote{Status: bad, Elsewhere: bad}
	s := sited{
		Profile: bad, Current: 1, Generations: []deploy.Generation{g, packed, signed, elsewhere, broken},
		Doubts:  []deploy.Doubt{{Path: bad, What: bad, Mend: bad}},
		Altered: []string{bad}, Added: []deploy.Added{{Path: bad, Package: bad, Alters: bad}, {Path: bad}},
		Packages: []string{bad, bad}, Trust: bad, again: bad,
	}
	var out bytes.Buffer
	r := &results{}
	r.to.To = &out
	(&command{out: r}).printStatus(s)
	if err := r.to.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if want := 1 + 5 + 1 + 1 + 2 + 1 + 1; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	for _, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##teamcity[") ||
			strings.Contains(line, "\x1b") || line == "      altered: nothing" {
			t.Errorf("it prints %q", line)
		}
	}
}
