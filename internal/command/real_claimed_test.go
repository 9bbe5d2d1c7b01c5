package command

import (
	"path/filepath"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
)

// claimed holds what was built here from nothing against what artifacts/index.json says that everybody gets
// with the same tools. It is the test of reproducibility across machines and days.
func (r *real) claimed(t *testing.T) {
	claims, err := artifacts.ReadClaims(filepath.Join("..", "..", "artifacts", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.site().Generation(1)
	if err != nil {
		t.Fatal(err)
	}
	like := artifacts.Claim{Profile: "min-tls1_2", Optimize: "pgo+lto", Prefix: "/opt", Triple: r.triple(t),
		Sandbox: string(sandbox.Namespaces)}
	claim := claims.Find(like)
	if claim == nil {
		t.Skipf("nothing is claimed about %s", like.Name())
	}
	var here []artifacts.Tool
	for _, o := range (sandbox.Host{}).Origins(t.Context()) {
		here = append(here, artifacts.Tool(o))
	}
	if others := otherTools(claim.Tools, here); len(others) > 0 {
		t.Skipf("the claim is of other tools: %v", others)
	}
	if len(claim.Components) < 2 {
		t.Fatalf("the claim is about %d components", len(claim.Components))
	}
	for name, want := range claim.Components {
		if got := g.Components[name]; got.Output != want.Output || got.Version != want.Version {
			t.Errorf(
				"%s %s: %s, and %s %s is claimed",
				name,
				got.Version,
				got.Output,
				want.Version,
				want.Output,
			)
		}
	}
}
