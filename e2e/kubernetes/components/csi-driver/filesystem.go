package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// errNoSpace says that the node's disk is full.
var errNoSpace = errors.New("the node's disk is full")

// filesystem does what needs the system's tools: filesystems in images, mounts
// and loop devices. It keeps no state; what is mounted is read from the kernel.
type filesystem struct {
	run func(ctx context.Context, name string, args ...string) (string, error)
}

// runCommand runs a tool and returns what it printed.
func runCommand(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		text := strings.TrimSpace(stderr.String())
		if strings.Contains(text, syscall.ENOSPC.Error()) || strings.Contains(text, "No space left on device") {
			return "", fmt.Errorf("%s: %w", name, errNoSpace)
		}
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return stdout.String(), nil
}

// format makes an empty volume in a new sparse file.
func (f filesystem) format(ctx context.Context, image string, size int64) error {
	if err := sparse(image, size); err != nil {
		return err
	}
	_, err := f.run(ctx, "mkfs.xfs", "-q", image)
	return err
}

// copy copies an image without its holes, at once where the disk can share
// blocks, and then makes it as large as asked.
func (f filesystem) copy(ctx context.Context, from, to string, size int64) error {
	if _, err := f.run(ctx, "cp", "--sparse=always", "--reflink=auto", "--", from, to); err != nil {
		return err
	}
	return sparse(to, size)
}

// sparse makes a file or grows it to a size; it never cuts one.
func sparse(path string, size int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return file.Truncate(size)
}

// mount mounts an image's filesystem through a loop device that goes with the
// mount. nouuid, because a restored snapshot has its origin's UUID.
//
// An image that has a loop device already, since the mounts of a node that
// lost its power are not all gone yet, gets the same device again (mount(8)
// looks for it): two devices on one file would be two kernels' views of one
// filesystem.
func (f filesystem) mount(ctx context.Context, image, target string, flags []string) error {
	options := strings.Join(append([]string{"loop", "nouuid"}, flags...), ",")
	_, err := f.run(ctx, "mount", "-t", "xfs", "-o", options, "--", image, target)
	return err
}

// bind shows a mounted filesystem at a second place.
func (f filesystem) bind(ctx context.Context, source, target string, readOnly bool) error {
	options := "bind"
	if readOnly {
		options += ",ro"
	}
	_, err := f.run(ctx, "mount", "-o", options, "--", source, target)
	return err
}

// unmount takes one mount away.
func (f filesystem) unmount(ctx context.Context, target string) error {
	_, err := f.run(ctx, "umount", "--", target)
	return err
}

// grow makes a mounted filesystem as large as its image. It does nothing when
// it already is.
func (f filesystem) grow(ctx context.Context, image, target string) error {
	devices, err := f.devices(ctx, image)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if _, err := f.run(ctx, "losetup", "--set-capacity", device.path); err != nil {
			return err
		}
	}
	_, err = f.run(ctx, "xfs_growfs", "-d", target)
	return err
}

// freeze holds all writes to a mounted filesystem and puts what was written on
// its device.
func (f filesystem) freeze(ctx context.Context, target string) error {
	_, err := f.run(ctx, "fsfreeze", "--freeze", target)
	return err
}

// thaw lets writes go on.
func (f filesystem) thaw(ctx context.Context, target string) error {
	_, err := f.run(ctx, "fsfreeze", "--unfreeze", target)
	return err
}

// loopDevice is a block device that shows an image.
type loopDevice struct {
	path   string
	number string
}

// devices lists the loop devices of an image, whoever made them.
func (f filesystem) devices(ctx context.Context, image string) ([]loopDevice, error) {
	text, err := f.run(ctx, "losetup", "--noheadings", "--output", "NAME,MAJ:MIN", "--associated", image)
	if err != nil {
		return nil, err
	}
	var devices []loopDevice
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 {
			devices = append(devices, loopDevice{path: fields[0], number: fields[1]})
		}
	}
	return devices, nil
}

// mountPoint is a line of /proc/self/mountinfo.
type mountPoint struct {
	// number is the device's, as major:minor.
	number string
	target string
}

// mounts lists what is mounted in this mount namespace.
func mounts() ([]mountPoint, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMounts(string(content)), nil
}

func parseMounts(text string) []mountPoint {
	var points []mountPoint
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, mountPoint{number: fields[2], target: unescape(fields[4])})
		}
	}
	return points
}

// unescape undoes the octal escapes by which the kernel writes blanks.
func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// mountedAt is the device number of what is mounted at a path, if anything is.
// The last mount on a path hides the earlier ones.
func mountedAt(points []mountPoint, target string) (string, bool) {
	for i := len(points) - 1; i >= 0; i-- {
		if points[i].target == target {
			return points[i].number, true
		}
	}
	return "", false
}
