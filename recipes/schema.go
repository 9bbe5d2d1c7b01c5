package recipes

import "github.com/goccy/go-yaml/ast"

// The structs of this file are the YAML files as they are written; their tags are the whole vocabulary.
// Values are checked in check.go.

type componentFile struct {
	Name      string        `yaml:"name"`
	Like      string        `yaml:"like"` // a control's model: versions, sources, patches and licence are the model's
	Role      string        `yaml:"role"`
	Summary   string        `yaml:"summary"`
	License   string        `yaml:"license"`
	Homepage  string        `yaml:"homepage"`
	Needs     []string      `yaml:"needs"`
	Versions  []versionFile `yaml:"versions"`
	Configure []flagFile    `yaml:"configure"`
	Env       []varFile     `yaml:"env"`
	Files     []fileFile    `yaml:"files"`
	Build     []commandFile `yaml:"build"`
	Install   []commandFile `yaml:"install"`
	Checks    []string      `yaml:"checks"`
}

type versionFile struct {
	Version string       `yaml:"version"`
	License string       `yaml:"license"` // where it differs from the component's
	EOL     string       `yaml:"eol"`     // YYYY-MM-DD
	FIPS    string       `yaml:"fips"`
	Sources []sourceFile `yaml:"sources"`
}

type sourceFile struct {
	File         string       `yaml:"file"`
	SHA256       string       `yaml:"sha256"`
	Size         int64        `yaml:"size"`
	URLs         []string     `yaml:"urls"`
	Apt          *aptFile     `yaml:"apt"`
	Signature    ast.Node     `yaml:"signature"` // "none" or a signatureFile
	Unsigned     string       `yaml:"unsigned"`
	Vouched      string       `yaml:"vouched"`
	Why          string       `yaml:"why"`
	Alternatives []sourceFile `yaml:"alternatives"`
}

type aptFile struct {
	Package string `yaml:"package"`
	File    string `yaml:"file"`
}

type signatureFile struct {
	File   string   `yaml:"file"`
	SHA256 string   `yaml:"sha256"`
	URLs   []string `yaml:"urls"`
	Apt    *aptFile `yaml:"apt"`
	Key    string   `yaml:"key"`
}

type flagFile struct {
	Arg   string `yaml:"arg"`
	Why   string `yaml:"why"`
	When  string `yaml:"when"`
	Floor string `yaml:"floor"`
}

type varFile struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
	Why   string `yaml:"why"`
	When  string `yaml:"when"`
	Floor string `yaml:"floor"`
}

type fileFile struct {
	Path    string `yaml:"path"`
	Content string `yaml:"content"`
	Why     string `yaml:"why"`
	When    string `yaml:"when"`
	Floor   string `yaml:"floor"`
}

type commandFile struct {
	Run   []string `yaml:"run"`
	When  string   `yaml:"when"`
	Floor string   `yaml:"floor"`
}

type profileFile struct {
	Name     string            `yaml:"name"`
	Summary  string            `yaml:"summary"`
	Floor    string            `yaml:"floor"`
	Versions map[string]string `yaml:"versions"`
	Prefixes map[string]string `yaml:"prefixes"`
	Controls []string          `yaml:"controls"`
	Optimize string            `yaml:"optimize"`
	Notes    string            `yaml:"notes"`
}
