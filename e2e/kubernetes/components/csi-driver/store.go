package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// errForeign says that something is not this driver's to use or to delete.
var errForeign = errors.New("not a volume or snapshot of this driver on this node")

// kind is a folder of the store.
type kind string

const (
	volumes   kind = "volumes"
	snapshots kind = "snapshots"
)

// record is what the store knows of a volume or a snapshot. It lies beside the
// image, and an image without it is not ours.
type record struct {
	// Driver and ID say whose the image is, should the folder be copied.
	Driver string `json:"driver"`
	ID     string `json:"id"`
	// Size is that of the image in bytes.
	Size int64 `json:"size"`
	// Source is the snapshot from which a volume, or the volume from which
	// a snapshot was made.
	Source string `json:"source,omitempty"`
	// Created is when.
	Created time.Time `json:"created"`
}

// store keeps images in folders on the node's disk:
// <root>/{volumes,snapshots}/<name>/{image,record.json}.
//
// A folder appears by rename when it is complete, and leaves by rename before
// it is removed, so that a crash leaves whole things or none.
type store struct {
	root string
	node string
}

// openStore makes the folders and removes what a crash left half done.
func openStore(root, node string) (*store, error) {
	s := &store{root: root, node: node}
	if err := os.RemoveAll(s.scratch()); err != nil {
		return nil, err
	}
	for _, folder := range []string{s.scratch(), filepath.Join(root, string(volumes)), filepath.Join(root, string(snapshots))} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) scratch() string {
	return filepath.Join(s.root, "partial")
}

// namePattern is that of names which may become file names: no separator, no
// leading dot, bounded.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func validName(name string) bool {
	return namePattern.MatchString(name)
}

// id is the handle that Kubernetes keeps for a name of this node.
func (s *store) id(name string) string {
	return s.node + ":" + name
}

// name is the inverse of id. The handle of another node is foreign, so that
// "it is not here" is never taken for "it is gone".
func (s *store) name(id string) (string, error) {
	node, name, found := strings.Cut(id, ":")
	if !found || node != s.node || !validName(name) {
		return "", fmt.Errorf("%q: %w", id, errForeign)
	}
	return name, nil
}

func (s *store) folder(k kind, name string) string {
	return filepath.Join(s.root, string(k), name)
}

// image is the file with the content.
func (s *store) image(k kind, name string) string {
	return filepath.Join(s.folder(k, name), "image")
}

// load reads a record; fs.ErrNotExist when there is nothing of that name, and
// errForeign when what is there is not known to be ours.
func (s *store) load(k kind, name string) (*record, error) {
	if _, err := os.Stat(s.folder(k, name)); err != nil {
		return nil, err
	}
	path := filepath.Join(s.folder(k, name), "record.json")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no record: %w", s.folder(k, name), errForeign)
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, errForeign, err)
	}
	if r.Driver != driverName || r.ID != s.id(name) {
		return nil, fmt.Errorf("%s is of %s, %s: %w", path, r.Driver, r.ID, errForeign)
	}
	return &r, nil
}

// create makes a new entry. fill writes the image to the path it is given.
func (s *store) create(k kind, name string, r record, fill func(image string) error) (*record, error) {
	r.Driver, r.ID = driverName, s.id(name)
	partial, err := os.MkdirTemp(s.scratch(), name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(partial)
	image := filepath.Join(partial, "image")
	if err := fill(image); err != nil {
		return nil, err
	}
	if err := syncFile(image); err != nil {
		return nil, err
	}
	if err := writeRecord(partial, r); err != nil {
		return nil, err
	}
	if err := os.Rename(partial, s.folder(k, name)); err != nil {
		return nil, err
	}
	return &r, syncFile(filepath.Dir(s.folder(k, name)))
}

// resize notes the new size of a volume.
func (s *store) resize(name string, size int64) error {
	r, err := s.load(volumes, name)
	if err != nil {
		return err
	}
	r.Size = size
	return writeRecord(s.folder(volumes, name), *r)
}

// remove deletes an entry that load has found to be ours.
func (s *store) remove(k kind, name string) error {
	if _, err := s.load(k, name); err != nil {
		return err
	}
	gone, err := os.MkdirTemp(s.scratch(), "gone-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(gone)
	if err := os.Rename(s.folder(k, name), filepath.Join(gone, name)); err != nil {
		return err
	}
	return syncFile(filepath.Dir(s.folder(k, name)))
}

// names lists the entries of a kind.
func (s *store) names(k kind) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, string(k)))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if validName(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// writeRecord replaces the record in a folder, never leaving half of one.
func writeRecord(folder string, r record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, "record.json")
	if err := os.WriteFile(path+".new", append(content, '\n'), 0o600); err != nil {
		return err
	}
	if err := syncFile(path + ".new"); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncFile(folder)
}

// syncFile puts a file or folder on disk.
func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
