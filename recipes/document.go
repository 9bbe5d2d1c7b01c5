package recipes

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// document is one parsed YAML file.
type document struct {
	name string
	root ast.Node
}

// place is a value in a document: the keys and indices that lead to it.
type place struct {
	doc  *document
	path []any
}

func (d *document) top() place { return place{doc: d} }

// at returns the place below p that steps (a key or an index each) lead to.
func (p place) at(steps ...any) place {
	return place{p.doc, append(p.path[:len(p.path):len(p.path)], steps...)}
}

// fail returns a usage error at p, or at the nearest place around p that the file has.
func (p place) fail(hint, format string, args ...any) error {
	if p.doc == nil {
		return fault.New(fault.Usage, hint, "profile: %w", fmt.Errorf(format, args...))
	}
	pos := p.doc.position(p.path)
	return fault.New(fault.Usage, hint, "%s:%d:%d: %w", p.doc.name, pos.Line, pos.Column, fmt.Errorf(format, args...))
}

const hintYAML = "the vocabulary is described in recipes/README.md"

// parse reads data, which must be one YAML mapping, into to.
func parse(name string, data []byte, to any) (*document, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, locate(name, err)
	}
	doc := &document{name: name}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if doc.root != nil {
			other := document{name, d.Body}
			return nil, other.top().fail("one file holds one component or profile", "a second document")
		}
		doc.root = d.Body
	}
	if doc.root == nil {
		return nil, doc.top().fail("a file holds one component or profile; remove it to drop it", "the file is empty")
	}
	if err := doc.plain(doc.root, ""); err != nil {
		return nil, err
	}
	return doc, doc.decode(doc.root, to)
}

func (d *document) decode(node ast.Node, to any) error {
	if err := yaml.NodeToValue(node, to, yaml.Strict()); err != nil {
		return locate(d.name, err)
	}
	return nil
}

// plain refuses every node but mappings with text keys, sequences, text, and the number of a size:
// YAML would read an unquoted 3.10 as the number 3.1.
func (d *document) plain(node ast.Node, key string) error {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := d.plain(v, key); err != nil {
				return err
			}
		}
		return nil
	case *ast.MappingValueNode:
		name, isText := n.Key.(*ast.StringNode)
		if !isText {
			return d.refuse(n.Key, "the key %s is not text", n.Key)
		}
		return d.plain(n.Value, name.Value)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if err := d.plain(v, key); err != nil {
				return err
			}
		}
		return nil
	case *ast.StringNode, *ast.LiteralNode:
		if key == "size" {
			return d.refuse(node, "the size is not a number of bytes")
		}
		return nil
	case *ast.IntegerNode:
		if key == "size" {
			return nil
		}
	case *ast.NullNode:
		return d.refuse(node, "%s has no value", key)
	}
	return d.refuse(node, "%s is not plain text", node)
}

func (d *document) refuse(node ast.Node, format string, args ...any) error {
	return (&document{d.name, node}).top().fail(`put text that looks like a number, a date or true in quotes: "3.10"`, format, args...)
}

// locate turns an error of the YAML package into one with file, line and column.
func locate(name string, err error) error {
	line, column, message := 1, 1, err.Error()
	if y, ok := errors.AsType[yaml.Error](err); ok {
		message = y.GetMessage()
		if tk := y.GetToken(); tk != nil && tk.Position != nil {
			line, column = tk.Position.Line, tk.Position.Column
		}
	}
	return fault.New(fault.Usage, hintYAML, "%s:%d:%d: %s", name, line, column, message)
}

// position follows path as far as the file goes.
func (d *document) position(path []any) token.Position {
	node := d.root
	for _, step := range path {
		next := child(node, step)
		if next == nil {
			break
		}
		node = next
	}
	for {
		m, ok := node.(*ast.MappingNode)
		if !ok || len(m.Values) == 0 {
			break
		}
		node = m.Values[0].Key
	}
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return token.Position{Line: 1, Column: 1}
	}
	return *node.GetToken().Position
}

func child(node ast.Node, step any) ast.Node {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if k, ok := v.Key.(*ast.StringNode); ok && k.Value == step {
				return v.Value
			}
		}
	case *ast.MappingValueNode:
		if k, ok := n.Key.(*ast.StringNode); ok && k.Value == step {
			return n.Value
		}
	case *ast.SequenceNode:
		if i, ok := step.(int); ok && i < len(n.Values) {
			return n.Values[i]
		}
	}
	return nil
}
