package advisory

import (
	"encoding/json"
	"time"
)

// vulnerability is an advisory, with the fields that are looked at (https://ossf.github.io/osv-schema/).
type vulnerability struct {
	ID        string     `json:"id"`
	Withdrawn *time.Time `json:"withdrawn"`
	Aliases   []string   `json:"aliases"`
	Upstream  []string   `json:"upstream"`
	Summary   string     `json:"summary"`
	Details   string     `json:"details"`
	Severity  []rated    `json:"severity"`
	Affected  []affected `json:"affected"`
	Database  specific   `json:"database_specific"`
}

// rated is a severity by a scheme, such as a vector of CVSS.
type rated struct {
	Score string `json:"score"`
}

// affected are versions of a package, or of a repository.
type affected struct {
	Package *struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
		PURL      string `json:"purl"`
	} `json:"package"`
	Severity  []rated  `json:"severity"`
	Ranges    []ranged `json:"ranges"`
	Versions  []string `json:"versions"`
	Ecosystem specific `json:"ecosystem_specific"`
	Database  specific `json:"database_specific"`
}

// ranged is a range of versions or, of the type GIT, of commits.
type ranged struct {
	Type     string   `json:"type"`
	Repo     string   `json:"repo"`
	Events   []event  `json:"events"`
	Database specific `json:"database_specific"`
}

const commits = "GIT"

// event begins or ends a range: one of its fields is set.
type event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"`
}

// specific is what a database says beside the schema, as far as it is looked at: a severity in words, and the
// versions that it has put beside a range of commits. What has another form there is passed over.
type specific struct {
	Severity string
	Events   []event
}

// UnmarshalJSON reads an object of any fields.
func (s *specific) UnmarshalJSON(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	*s = specific{}
	json.Unmarshal(fields["severity"], &s.Severity)
	for _, key := range []string{"extracted_events", "versions"} {
		var list []json.RawMessage
		json.Unmarshal(fields[key], &list)
		for _, one := range list {
			var e event
			if json.Unmarshal(one, &e) == nil {
				s.Events = append(s.Events, e)
			}
		}
	}
	return nil
}

// bytes counts what the texts of an advisory take.
func (v *vulnerability) bytes() (n int) {
	add := func(all ...string) {
		for _, text := range all {
			n += len(text) + 2
		}
	}
	add(v.ID, v.Summary, v.Details, v.Database.Severity)
	add(v.Aliases...)
	add(v.Upstream...)
	for _, one := range v.Severity {
		add(one.Score)
	}
	for _, a := range v.Affected {
		add(a.Versions...)
		add(a.Ecosystem.Severity, a.Database.Severity)
		if a.Package != nil {
			add(a.Package.Ecosystem, a.Package.Name, a.Package.PURL)
		}
		for _, one := range a.Severity {
			add(one.Score)
		}
		for _, r := range a.Ranges {
			add(r.Type, r.Repo)
			for _, e := range r.Events {
				add(e.Introduced, e.Fixed, e.LastAffected, e.Limit)
			}
		}
	}
	return n
}
