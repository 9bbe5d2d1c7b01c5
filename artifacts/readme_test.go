package artifacts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeShowsTheClaim: digests in the README that nobody claims any more would have a stranger look for a
// fault of his own.
func TestReadmeShowsTheClaim(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("index.json")
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Claims []struct {
			Profile    string
			Components map[string]struct{ Output, Sums string }
		}
	}
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range index.Claims {
		if c.Profile != "min-tls1_2" {
			continue
		}
		found = true
		for name, component := range c.Components {
			if !strings.Contains(string(text), component.Output) {
				t.Errorf("README.md does not show the output of %s that is claimed", name)
			}
		}
		if !strings.Contains(string(text), c.Components["python"].Sums) {
			t.Error("README.md does not show the sums of python that are claimed")
		}
	}
	if !found {
		t.Error("nothing is claimed for the default profile, and README.md says that something is")
	}
}
