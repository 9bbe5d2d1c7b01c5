package archive

import (
	"fmt"
	"io"
	"time"
)

// ArMember is a file of an ar archive: a name of up to 15 characters, and its contents.
type ArMember struct {
	Name string
	Size int64
	Body io.Reader
}

// WriteAr writes an ar archive as deb(5) has it: members in the order given, of nobody, without long names.
func WriteAr(w io.Writer, when time.Time, members ...ArMember) error {
	if _, err := io.WriteString(w, arMagic); err != nil {
		return err
	}
	for _, m := range members {
		if len(m.Name) > 15 {
			return fmt.Errorf("ar: the name %s is too long", m.Name)
		}
		if _, err := fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.Name, when.Unix(), 0, 0, 0o100644, m.Size); err != nil {
			return err
		}
		n, err := io.Copy(w, m.Body)
		if err == nil && n != m.Size {
			err = fmt.Errorf("%d bytes were announced, and %d came", m.Size, n)
		}
		if err != nil {
			return fmt.Errorf("ar: %s: %w", m.Name, err)
		}
		if m.Size%2 == 1 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
	}
	return nil
}
