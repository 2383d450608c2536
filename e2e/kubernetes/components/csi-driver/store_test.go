package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(filepath.Join(t.TempDir(), "data"), "n1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(content string) func(string) error {
	return func(image string) error { return os.WriteFile(image, []byte(content), 0o600) }
}

func TestNamesBecomePathsOnlyWhenTheyAreHarmless(t *testing.T) {
	for name, valid := range map[string]bool{
		"pvc-0c2f": true, "a": true, "n1.example": true,
		"": false, ".": false, "..": false, "../x": false, "a/b": false, "-a": false, "a.": false, "A": false,
		"a\nb": false, strings.Repeat("a", 300): false,
	} {
		if validName(name) != valid {
			t.Errorf("%q: want %v", name, valid)
		}
	}
}

func TestHandlesOfOthersAreForeign(t *testing.T) {
	s := newStore(t)
	if name, err := s.name(s.id("pvc-1")); name != "pvc-1" || err != nil {
		t.Errorf("own handle: %q, %v", name, err)
	}
	for _, id := range []string{"n2:pvc-1", "pvc-1", "", "n1:", "n1:../pvc-1", "n1:a:b"} {
		if name, err := s.name(id); !errors.Is(err, errForeign) {
			t.Errorf("%q: %q, %v", id, name, err)
		}
	}
}

func TestEntriesAreCreatedLoadedResizedAndRemoved(t *testing.T) {
	s := newStore(t)
	if _, err := s.load(volumes, "pvc-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before: %v", err)
	}
	if _, err := s.create(volumes, "pvc-1", record{Size: 7, Source: "n1:snap"}, write("content")); err != nil {
		t.Fatal(err)
	}
	if err := s.resize("pvc-1", 9); err != nil {
		t.Fatal(err)
	}
	r, err := s.load(volumes, "pvc-1")
	if err != nil || r.Size != 9 || r.Source != "n1:snap" || r.ID != "n1:pvc-1" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if content, _ := os.ReadFile(s.image(volumes, "pvc-1")); string(content) != "content" {
		t.Errorf("image: %q", content)
	}
	if names, err := s.names(volumes); err != nil || len(names) != 1 || names[0] != "pvc-1" {
		t.Errorf("names: %v, %v", names, err)
	}
	if _, err := s.load(snapshots, "pvc-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a snapshot of the same name: %v", err)
	}
	if err := s.remove(volumes, "pvc-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.remove(volumes, "pvc-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
	left, err := os.ReadDir(s.scratch())
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestAFailedImageLeavesNothing(t *testing.T) {
	s := newStore(t)
	broken := errors.New("broken")
	if _, err := s.create(volumes, "pvc-1", record{}, func(image string) error {
		return errors.Join(os.WriteFile(image, nil, 0o600), broken)
	}); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.load(volumes, "pvc-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(s.scratch()); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestWhatHasNoRecordOfOursIsNotRemoved(t *testing.T) {
	s := newStore(t)
	for name, record := range map[string]string{
		"none":    "",
		"garbage": "{",
		"other":   `{"driver":"example.com","id":"n1:other"}`,
		"copied":  `{"driver":"` + driverName + `","id":"n2:copied"}`,
	} {
		folder := s.folder(volumes, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if record != "" {
			if err := os.WriteFile(filepath.Join(folder, "record.json"), []byte(record), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.remove(volumes, name); !errors.Is(err, errForeign) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(folder); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpeningRemovesWhatACrashLeftHalfDone(t *testing.T) {
	s := newStore(t)
	if _, err := s.create(volumes, "pvc-1", record{}, write("x")); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(s.scratch(), "pvc-2-123")
	if err := os.Mkdir(half, 0o700); err != nil {
		t.Fatal(err)
	}
	again, err := openStore(s.root, s.node)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if _, err := again.load(volumes, "pvc-1"); err != nil {
		t.Error(err)
	}
}
