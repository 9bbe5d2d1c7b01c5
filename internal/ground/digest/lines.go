package digest

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Line is one labelled input of a digest.
type Line struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Lines is a digest's inputs in order: what was hashed can be printed, and two of them compared.
type Lines []Line

// Add appends one line. The value may hold any bytes.
func (l *Lines) Add(label, value string) { *l = append(*l, Line{label, value}) }

// Addf appends one formatted line.
func (l *Lines) Addf(label, format string, args ...any) { l.Add(label, fmt.Sprintf(format, args...)) }

// Sum hashes the lines. Each is quoted, so that no value can pass for another line.
func (l Lines) Sum() Digest {
	h := sha256.New()
	for _, line := range l {
		fmt.Fprintf(h, "%q %q\n", line.Label, line.Value)
	}
	return Digest(h.Sum(nil))
}

// String prints one line per input.
func (l Lines) String() string {
	var b strings.Builder
	for _, line := range l {
		fmt.Fprintf(&b, "%-12s %s\n", line.Label, line.Value)
	}
	return b.String()
}

// Change is one line that differs between two Lines; Old or New is empty where the line is absent.
type Change struct {
	Label string `json:"label"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// Diff returns the lines that only one of old and new has, paired by label in order of appearance.
func Diff(old, new Lines) []Change {
	left := map[Line]int{}
	for _, l := range old {
		left[l]++
	}
	var added []Line
	for _, l := range new {
		if left[l] > 0 {
			left[l]--
			continue
		}
		added = append(added, l)
	}
	var changes []Change
	for _, l := range old {
		if left[l] == 0 {
			continue
		}
		left[l]--
		c := Change{Label: l.Label, Old: l.Value}
		for i, a := range added {
			if a.Label == l.Label {
				c.New = a.Value
				added = append(added[:i], added[i+1:]...)
				break
			}
		}
		changes = append(changes, c)
	}
	for _, a := range added {
		changes = append(changes, Change{Label: a.Label, New: a.Value})
	}
	return changes
}
