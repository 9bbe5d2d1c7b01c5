package rebuild

import (
	"bytes"
	_ "embed"
	"html/template"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Page is the reports as an HTML page without scripts and without anything from elsewhere.
func Page(reports []*Report) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, reports)
	return b.Bytes(), err
}
