package advisory

import (
	"fmt"
	"slices"
	"strings"

	cvss20 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"
)

// Severity is how bad it is, by the ratings of CVSS (specification of version 3.1, section 5).
type Severity int

// The severities. Unknown is the worst: nobody has said that it is less.
const (
	None Severity = iota
	Low
	Medium
	High
	Critical
	Unknown
)

var names = []string{"none", "low", "medium", "high", "critical", "unknown"}

func (s Severity) String() string { return names[s] }

// MarshalText writes its name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSeverity reads a severity's name.
func ParseSeverity(name string) (Severity, error) {
	if i := slices.Index(names[:Unknown], strings.ToLower(name)); i >= 0 {
		return Severity(i), nil
	}
	return 0, fmt.Errorf("severity %q is not known", name)
}

// severity takes the worst of an advisory's CVSS vectors, or what its database calls it.
func severity(v *vulnerability) (worst Severity, score float64) {
	vectors := v.Severity
	words := []string{v.Database.Severity}
	for _, a := range v.Affected {
		vectors = append(vectors, a.Severity...)
		words = append(words, a.Database.Severity, a.Ecosystem.Severity)
	}
	for _, one := range vectors {
		if got, ok := base(one.Score); ok {
			score = max(score, got)
			worst = max(worst, rating(got))
		}
	}
	if worst > None {
		return worst, score
	}
	for _, name := range words {
		if strings.EqualFold(name, "moderate") {
			name = "medium"
		}
		if s, err := ParseSeverity(name); err == nil {
			worst = max(worst, s)
		}
	}
	if worst == None {
		return Unknown, 0
	}
	return worst, 0
}

func rating(score float64) Severity {
	switch {
	case score >= 9:
		return Critical
	case score >= 7:
		return High
	case score >= 4:
		return Medium
	case score > 0:
		return Low
	}
	return None
}

// base is the base score of a CVSS vector of any version.
func base(vector string) (float64, bool) {
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		if v, err := cvss40.ParseVector(vector); err == nil {
			return v.Score(), true
		}
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		if v, err := cvss31.ParseVector(vector); err == nil {
			return v.BaseScore(), true
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		if v, err := cvss30.ParseVector(vector); err == nil {
			return v.BaseScore(), true
		}
	default:
		if v, err := cvss20.ParseVector(vector); err == nil {
			return v.BaseScore(), true
		}
	}
	return 0, false
}
