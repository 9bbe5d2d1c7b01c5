package report

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// statementType is the _type of every Statement
// (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
const statementType = "https://in-toto.io/Statement/v1"

// Resource is in-toto's ResourceDescriptor, with the fields that are used here
// (https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md).
type Resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	MediaType   string            `json:"mediaType,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// NewResource describes bytes by their SHA-256, in hex.
func NewResource(name, uri, sha256 string) Resource {
	return Resource{Name: name, URI: uri, Digest: map[string]string{"sha256": sha256}}
}

// check says why nobody could hold bytes against the descriptor.
func (r Resource) check() error {
	sum, err := hex.DecodeString(r.Digest["sha256"])
	if err == nil && len(sum) != 32 {
		err = fmt.Errorf("%d bytes are no SHA-256", len(sum))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	return nil
}

// testResult is the predicate test-result v0.1.
type testResult struct {
	Result        string     `json:"result"`
	Configuration []Resource `json:"configuration"`
	PassedTests   []string   `json:"passedTests,omitempty"`
	WarnedTests   []string   `json:"warnedTests,omitempty"`
	FailedTests   []string   `json:"failedTests,omitempty"`
}

// attributeReport is the predicate scai/attribute-report v0.2.
type attributeReport struct {
	Attributes []attribute `json:"attributes"`
}

type attribute struct {
	Attribute  string            `json:"attribute"`
	Target     *Resource         `json:"target,omitempty"`
	Conditions map[string]string `json:"conditions,omitempty"`
	Evidence   Resource          `json:"evidence"`
}

// verification is the predicate svr v0.1.
type verification struct {
	Verifier struct {
		ID     string `json:"id"`
		Policy policy `json:"policy"`
	} `json:"verifier"`
	TimeCreated string   `json:"timeCreated"` // RFC 3339
	Properties  []string `json:"properties"`
}

// policy is a descriptor where the predicate takes any message: its type stands in it.
type policy struct {
	Type string `json:"@type"`
	Resource
}

const descriptorType = "type.googleapis.com/in_toto_attestation.v1.ResourceDescriptor"

// Statement writes one in-toto Statement v1 about subjects. The names in the predicate are in order, so that
// equal Statements are equal bytes.
func Statement(kind string, subjects []Resource, predicate any) ([]byte, error) {
	text, err := encode(predicate)
	if err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	var body any // whose names are written in order
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	if len(subjects) == 0 {
		err = errors.New("it is about nothing")
	}
	for _, s := range subjects {
		err = errors.Join(err, s.check())
	}
	if err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	return encode(struct {
		Type          string     `json:"_type"`
		Subject       []Resource `json:"subject"`
		PredicateType string     `json:"predicateType"`
		Predicate     any        `json:"predicate"`
	}{statementType, subjects, kind, body})
}

// encode writes indented JSON with <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
