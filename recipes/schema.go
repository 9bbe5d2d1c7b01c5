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
	CPE       string        `yaml:"cpe"`   // vendor:product
	Needs     []ast.Node    `yaml:"needs"` // a component's name or a needFile
	Versions  []versionFile `yaml:"versions"`
	Configure []flagFile    `yaml:"configure"`
	Env       []varFile     `yaml:"env"`
	Files     []fileFile    `yaml:"files"`
	Make      []flagFile    `yaml:"make"`
	Build     []commandFile `yaml:"build"`
	Train     []commandFile `yaml:"train"`
	Pins      []pinFile     `yaml:"pins"`
	Install   []commandFile `yaml:"install"`
	Checks    []string      `yaml:"checks"`
}

type versionFile struct {
	Version string         `yaml:"version"`
	License string         `yaml:"license"` // where it differs from the component's
	EOL     string         `yaml:"eol"`     // YYYY-MM-DD
	FIPS    string         `yaml:"fips"`
	Sources []SourceFields `yaml:"sources"`
}

type SourceFields struct {
	File         string         `yaml:"file"`
	SHA256       string         `yaml:"sha256"`
	Size         int64          `yaml:"size"`
	URLs         []string       `yaml:"urls"`
	Apt          *aptFile       `yaml:"apt"`
	Signature    ast.Node       `yaml:"signature"` // "none" or a signatureFile
	Unsigned     string         `yaml:"unsigned"`
	Vouched      string         `yaml:"vouched"`
	Why          string         `yaml:"why"`
	Alternatives []SourceFields `yaml:"alternatives"`
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
	Arg        string `yaml:"arg"`
	Why        string `yaml:"why"`
	Conditions `yaml:",inline"`
}

type varFile struct {
	Name       string `yaml:"name"`
	Value      string `yaml:"value"`
	Why        string `yaml:"why"`
	Conditions `yaml:",inline"`
}

type fileFile struct {
	Path       string `yaml:"path"`
	Content    string `yaml:"content"`
	From       string `yaml:"from"` // a file beside the recipe, or with a / at the end a folder of files
	Why        string `yaml:"why"`
	Conditions `yaml:",inline"`
}

type commandFile struct {
	Run        []string `yaml:"run"`
	Memory     string   `yaml:"memory"` // what it takes, such as 900M
	Conditions `yaml:",inline"`
}

// pinFile is the result of a training, for one version and one compiler.
type pinFile struct {
	Version      string `yaml:"version"`
	Compiler     string `yaml:"compiler"` // the first line of cc --version
	Sysroot      string `yaml:"sysroot"`  // a version of the component sysroot
	SourceFields `yaml:",inline"`
}

type needFile struct {
	Component  string `yaml:"component"`
	Conditions `yaml:",inline"`
}

// Conditions says for which builds an entry is meant.
type Conditions struct {
	When     string `yaml:"when"`
	Floor    string `yaml:"floor"`
	Optimize string `yaml:"optimize"`
	With     string `yaml:"with"`
	Without  string `yaml:"without"`
}

// optionalFile is a file of sets/.
type optionalFile struct {
	Name    string `yaml:"name"`
	Summary string `yaml:"summary"`
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
