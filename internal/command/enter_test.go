package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/steps"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// TestEnterOfOthers: root runs nothing that another user says in the record of a failed step.
func TestEnterOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make another user's file")
	}
	dir, step := t.TempDir(), "build/x"
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	failed := st.Failed(step)
	spec := sandbox.Spec{Mode: sandbox.None, Dir: "/", Argv: []string{"true"}}
	text, err := json.Marshal(steps.Kept{Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(failed, "enter.json")
	if err := os.MkdirAll(failed, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, text, 0o644); err != nil {
		t.Fatal(err)
	}
	enter := func() error { return Run(t.Context(), "enter", Flags{"store": &dir, "step": &step}) }
	if err := enter(); err != nil { // the control: standard input is empty, and the shell leaves
		t.Fatal(err)
	}
	for _, path := range []string{record, failed} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := enter(); err == nil { // that says the owner on standard error
			t.Errorf("%s of another user: what it says was run", path)
		}
		if err := os.Chown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
}
