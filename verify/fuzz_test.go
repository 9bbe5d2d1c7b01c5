package verify

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzProof: a proof is read without a panic.
func FuzzProof(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte(`{"status":"pass","findings":[{"status":"fail"}],"subjects":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Proof
		if json.Unmarshal(text, &p) == nil {
			p.WriteTable(io.Discard, false)
		}
	})
}

// FuzzMembers: an ar file is read without a panic and without an end that never comes.
func FuzzMembers(f *testing.F) {
	f.Add([]byte("!<arch>\n"))
	f.Add([]byte("!<arch>\na.o/            0           0     0     644     4         `\nabcd"))
	f.Add([]byte("!<arch>\na.o/            0           0     0     644     -60       `\nabcd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		eachMember(file, func(r io.ReaderAt) error {
			if n++; n > len(data) {
				t.Fatal("more members than bytes")
			}
			_, err := r.ReadAt(make([]byte, 8), 0)
			if err == io.EOF {
				return nil
			}
			return err
		})
	})
}
