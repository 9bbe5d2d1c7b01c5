package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// eachASAR reads an archive of Electron's: four numbers of a pickle, a header in JSON, and the files one
// after the other.
func eachASAR(data []byte, each visit) error {
	size := int64(binary.LittleEndian.Uint32(data[4:]))
	length := int64(binary.LittleEndian.Uint32(data[12:]))
	if 16+length > int64(len(data)) || 8+size > int64(len(data)) {
		return errors.New("its header is cut off")
	}
	var root asarNode
	if err := json.Unmarshal(data[16:16+length], &root); err != nil {
		return err
	}
	return root.walk("", data[8+size:], 0, each)
}

type asarNode struct {
	Files  map[string]*asarNode `json:"files"`
	Size   int64                `json:"size"`
	Offset string               `json:"offset"` // none: it stands beside the archive
}

func (n *asarNode) walk(name string, data []byte, depth int, each visit) error {
	if n == nil || depth > 200 {
		return nil
	}
	if at, err := strconv.ParseInt(n.Offset, 10, 64); err == nil && n.Files == nil {
		if at < 0 || n.Size < 0 || at > int64(len(data)) || n.Size > int64(len(data))-at {
			return fmt.Errorf("%s is outside of it", name)
		}
		return each(name, n.Size, 0, func() (io.Reader, error) {
			return bytes.NewReader(data[at : at+n.Size]), nil
		})
	}
	for _, key := range keys(n.Files) {
		if err := n.Files[key].walk(name+"/"+key, data, depth+1, each); err != nil {
			return err
		}
	}
	return nil
}

func keys(m map[string]*asarNode) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
