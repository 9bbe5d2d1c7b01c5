package audit

import (
	"encoding/json"
	"fmt"
	"io"
)

// The part of SARIF 2.1.0 (OASIS) that findings need. A library for it would bring more than these lines.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		URI   string      `json:"informationUri"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID   string    `json:"id"`
		Text sarifText `json:"shortDescription"`
	}
	sarifResult struct {
		Rule      string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
	}
)

// The rules, by which a viewer groups and mutes findings.
const (
	ruleBelow   = "tls-below-floor"
	ruleUnknown = "tls-unknown"
	ruleUnseen  = "tls-not-looked-into"
)

// WriteSARIF writes what is not Holds for code scanners. A report without findings has an empty list, which
// says that the audit ran.
func (r *Report) WriteSARIF(w io.Writer) error {
	run := sarifRun{Results: []sarifResult{}, Tool: sarifTool{sarifDriver{"tlsfloor", "https://github.com/tlsfloor/tlsfloor", []sarifRule{
		{ruleBelow, sarifText{"A TLS stack with code for versions below the floor"}},
		{ruleUnknown, sarifText{"A TLS stack of which the lowest version cannot be told"}},
		{ruleUnseen, sarifText{"Something that was not looked into, and may have a TLS stack"}},
	}}}}
	add := func(rule, level, file, text string) {
		result := sarifResult{Rule: rule, Level: level, Message: sarifText{text}, Locations: make([]sarifLocation, 1)}
		result.Locations[0].Physical.Artifact.URI = uri(file)
		run.Results = append(run.Results, result)
	}
	for _, s := range r.Stacks {
		text := s.String()
		if s.Package != "" {
			text += " (from " + s.Package + ")"
		}
		switch s.Verdict {
		case Below:
			add(ruleBelow, "error", s.File, text)
		case Unknown:
			add(ruleUnknown, "warning", s.File, text)
		}
	}
	for _, g := range r.Gaps {
		add(ruleUnseen, "warning", g.File, string(g.Reason)+": "+g.Text)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// uri is a path as RFC 3986 wants it, byte by byte.
func uri(path string) string {
	out := ""
	for _, c := range []byte(path) {
		if c == '/' || c == '.' || c == '-' || c == '_' || c == '~' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			out += string(c)
		} else {
			out += fmt.Sprintf("%%%02X", c)
		}
	}
	return out
}
