package rebuild

import (
	"fmt"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
)

// How says what became of a variation.
type How string

// What becomes of variations.
const (
	Reached  How = "reached the build"
	Absorbed How = "absorbed"
	Skipped  How = "skipped" // this host cannot make it
)

// Seen is a variation with what the probe saw of it.
type Seen struct {
	Name   string    `json:"name"`
	What   string    `json:"what"`
	How    How       `json:"how"`
	Why    string    `json:"why,omitempty"` // of Skipped
	Beside [2]string `json:"beside"`        // past the sandbox, in the first and in the varied world
	Inside [2]string `json:"inside"`        // in the sandbox
}

// Judge says of each variation whether it was made and whether it reached the build.
func Judge(vs []Variation, first, varied *Result, refused map[string]string) []Seen {
	var all []Seen
	for _, v := range vs {
		s := Seen{Name: v.Name, What: v.What, Why: refused[v.Name],
			Beside: [2]string{first.Beside[v.Name], varied.Beside[v.Name]}, Inside: [2]string{first.Inside[v.Name], varied.Inside[v.Name]}}
		switch {
		case s.Why != "":
			s.How = Skipped
		case s.Beside[0] == s.Beside[1]:
			s.How, s.Why = Skipped, "the probe saw no difference even beside the sandbox: "+s.Beside[0]
		case s.Inside[0] == s.Inside[1]:
			s.How = Absorbed
		default:
			s.How = Reached
		}
		all = append(all, s)
	}
	return all
}

// Component is one component of both builds.
type Component struct {
	Name        string               `json:"name"`
	Version     string               `json:"version"`
	Outputs     [2]string            `json:"outputs"`
	Files       int                  `json:"files"`
	Bytes       int64                `json:"bytes"`
	Differences []archive.Difference `json:"differences"`
}

// Report is the outcome of one rebuild.
type Report struct {
	Profile    string      `json:"profile"`
	Optimize   string      `json:"optimize"`
	Sysroot    string      `json:"sysroot,omitempty"` // the suite whose libc was compiled against: empty for the host's
	With       []string    `json:"with,omitempty"`    // the optional sets
	Against    string      `json:"against,omitempty"` // whose build was compared with: empty for this store's
	Time       string      `json:"time"`
	Seconds    float64     `json:"seconds"`
	Host       string      `json:"host"`
	Variations []Seen      `json:"variations"`
	Components []Component `json:"components"`
}

// Same reports whether all components are equal.
func (r *Report) Same() bool {
	for _, c := range r.Components {
		if c.Outputs[0] != c.Outputs[1] || len(c.Differences) > 0 {
			return false
		}
	}
	return len(r.Components) > 0
}

// Count returns how many variations ended so.
func (r *Report) Count(how How) int {
	n := 0
	for _, s := range r.Variations {
		if s.How == how {
			n++
		}
	}
	return n
}

// Verdict is the outcome in a line. A variation that could not be made taints it.
func (r *Report) Verdict() string {
	files, differ, n := 0, 0, 0
	for _, c := range r.Components {
		files += c.Files
		if c.Outputs[0] != c.Outputs[1] || len(c.Differences) > 0 {
			differ++
		}
		n += len(c.Differences)
	}
	made := len(r.Variations) - r.Count(Skipped)
	if len(r.Components) == 0 {
		return "NOT reproducible: nothing was compared"
	}
	if differ > 0 {
		return fmt.Sprintf("NOT reproducible: %d of %d components differ (%d differences) under %d variations", differ, len(r.Components), n, made)
	}
	text := fmt.Sprintf("reproducible: %d files of %d components are equal under %d variations (%d reached the build, %d were absorbed)",
		files, len(r.Components), made, r.Count(Reached), r.Count(Absorbed))
	if n := r.Count(Skipped); n > 0 {
		text += fmt.Sprintf("; TAINTED: %d could not be made here", n)
	}
	return text
}

// Text is the report for a terminal.
func (r *Report) Text() string {
	var b strings.Builder
	if len(r.Variations) > 0 {
		fmt.Fprintf(&b, "%-12s %-18s %s\n", "VARIATION", "", "A PROBE CHILD SAW, FIRST AND VARIED")
	}
	for _, s := range r.Variations {
		saw := s.Inside
		if s.How == Absorbed {
			saw = s.Beside
		}
		text := short(saw[0]) + " -> " + short(saw[1])
		switch s.How {
		case Absorbed:
			text = "beside the sandbox " + text + "; in it " + short(s.Inside[0])
		case Skipped:
			text = s.Why
		}
		fmt.Fprintf(&b, "%-12s %-18s %s\n", s.Name, s.How, text)
	}
	fmt.Fprintf(&b, "\n%-16s %-10s %7s %12s  %s\n", "COMPONENT", "VERSION", "FILES", "BYTES", "OUTPUT")
	for _, c := range r.Components {
		same := c.Outputs[0]
		if c.Outputs[0] != c.Outputs[1] {
			same = fmt.Sprintf("%s, then %s", c.Outputs[0], c.Outputs[1])
		}
		fmt.Fprintf(&b, "%-16s %-10s %7d %12d  %s\n", c.Name, c.Version, c.Files, c.Bytes, same)
		for _, d := range c.Differences {
			fmt.Fprintf(&b, "  %s: %s\n", d.Path, d.Reason)
			fmt.Fprintf(&b, "    first  %s\n    second %s\n", d.A, d.B)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	return b.String()
}

// short cuts a fact to what fits a line.
func short(s string) string {
	if len(s) > 36 {
		return s[:16] + "..." + s[len(s)-16:]
	}
	return s
}
