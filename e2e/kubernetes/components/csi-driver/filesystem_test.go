package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const mountinfo = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 7:3 / /var/lib/kubelet/a\040b/globalmount rw,relatime - xfs /dev/loop3 rw,nouuid
41 22 0:30 / /run rw - tmpfs tmpfs rw
42 22 7:4 / /run rw - xfs /dev/loop4 rw
`

func TestMountsAreReadAsTheKernelWritesThem(t *testing.T) {
	points := parseMounts(mountinfo)
	for target, want := range map[string]string{
		"/":                                "254:0",
		"/var/lib/kubelet/a b/globalmount": "7:3",
		"/run":                             "7:4", // the later one hides the earlier
		"/var":                             "",
	} {
		if number, found := mountedAt(points, target); number != want || found != (want != "") {
			t.Errorf("%s: %q, %v", target, number, found)
		}
	}
}

func TestUnescapeLeavesWhatIsNoEscape(t *testing.T) {
	for text, want := range map[string]string{
		`a\040b`: "a b", `a\134b`: `a\b`, `a\b`: `a\b`, `a\04`: `a\04`, `\999`: `\999`, "": "",
	} {
		if got := unescape(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSparseGrowsAndNeverCuts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	for _, step := range []struct{ size, want int64 }{{10, 10}, {20, 20}, {5, 20}} {
		if err := sparse(path, step.size); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != step.want {
			t.Errorf("%+v: %v, %v", step, info, err)
		}
	}
}

func TestDevicesAreReadFromTheTool(t *testing.T) {
	f := filesystem{run: func(context.Context, string, ...string) (string, error) {
		return "/dev/loop3   7:3\n/dev/loop12 7:12\n", nil
	}}
	devices, err := f.devices(context.Background(), "image")
	if want := []loopDevice{{"/dev/loop3", "7:3"}, {"/dev/loop12", "7:12"}}; err != nil || !slices.Equal(devices, want) {
		t.Errorf("got %v, %v", devices, err)
	}
}

func TestAFullDiskIsToldFromOtherFailures(t *testing.T) {
	_, err := runCommand(context.Background(), "sh", "-c", "echo 'cp: error: No space left on device' >&2; exit 1")
	if !errors.Is(err, errNoSpace) {
		t.Errorf("got %v", err)
	}
	_, err = runCommand(context.Background(), "sh", "-c", "echo broken >&2; exit 1")
	if err == nil || errors.Is(err, errNoSpace) {
		t.Errorf("got %v", err)
	}
}
