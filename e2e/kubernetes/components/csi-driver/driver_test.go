package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// dryDriver has tools that do nothing, and no volume in use.
func dryDriver(t *testing.T) *driver {
	t.Helper()
	return &driver{node: "n1", zone: "a", store: newStore(t), busy: newKeys(), fs: filesystem{
		run: func(_ context.Context, name string, args ...string) (string, error) {
			if name == "cp" {
				return "", os.Link(args[len(args)-2], args[len(args)-1])
			}
			return "", nil
		},
	}}
}

func capability() *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: "xfs"}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER},
	}
}

func create(name string, size int64) *csi.CreateVolumeRequest {
	return &csi.CreateVolumeRequest{
		Name:               name,
		CapacityRange:      &csi.CapacityRange{RequiredBytes: size},
		VolumeCapabilities: []*csi.VolumeCapability{capability()},
	}
}

func wantCode(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("got %v; want %v", err, code)
	}
}

func TestCreatingAndDeletingMayBeRepeated(t *testing.T) {
	d, ctx := dryDriver(t), context.Background()
	const size = 512 * mebibyte
	first, err := d.CreateVolume(ctx, create("pvc-1", size))
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.CreateVolume(ctx, create("pvc-1", size))
	if err != nil || second.Volume.VolumeId != first.Volume.VolumeId || second.Volume.CapacityBytes != size {
		t.Errorf("got %v, %v", second, err)
	}
	_, err = d.CreateVolume(ctx, create("pvc-1", 2*size))
	wantCode(t, err, codes.AlreadyExists)
	for range 2 {
		_, err = d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: first.Volume.VolumeId})
		wantCode(t, err, codes.OK)
	}
}

func TestAVolumeSaysOnWhichNodeItIs(t *testing.T) {
	d := dryDriver(t)
	made, err := d.CreateVolume(context.Background(), create("pvc-1", 0))
	if err != nil {
		t.Fatal(err)
	}
	segments := made.Volume.AccessibleTopology[0].Segments
	if segments[nodeKey] != "n1" || segments[zoneKey] != "a" || len(made.Volume.AccessibleTopology) != 1 {
		t.Errorf("got %v", made.Volume.AccessibleTopology)
	}
}

func TestWhatCannotBeIsRefusedWithTheReason(t *testing.T) {
	d := dryDriver(t)
	for name, change := range map[string]func(*csi.CreateVolumeRequest){
		"name":         func(r *csi.CreateVolumeRequest) { r.Name = "../x" },
		"capabilities": func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities = nil },
		"xfs":          func(r *csi.CreateVolumeRequest) { r.VolumeCapabilities[0].GetMount().FsType = "ext4" },
		"one node": func(r *csi.CreateVolumeRequest) {
			r.VolumeCapabilities[0].AccessMode.Mode = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
		},
		"block": func(r *csi.CreateVolumeRequest) {
			r.VolumeCapabilities[0].AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
		},
		"snapshot": func(r *csi.CreateVolumeRequest) {
			r.VolumeContentSource = &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Volume{
				Volume: &csi.VolumeContentSource_VolumeSource{VolumeId: "n1:pvc-0"},
			}}
		},
	} {
		req := create("pvc-1", 0)
		change(req)
		_, err := d.CreateVolume(context.Background(), req)
		wantCode(t, err, codes.InvalidArgument)
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

func TestAPodOnAnotherNodeIsSentBackToTheScheduler(t *testing.T) {
	d := dryDriver(t)
	req := create("pvc-1", 0)
	req.AccessibilityRequirements = &csi.TopologyRequirement{
		Requisite: []*csi.Topology{{Segments: map[string]string{nodeKey: "n2"}}},
	}
	_, err := d.CreateVolume(context.Background(), req)
	wantCode(t, err, codes.ResourceExhausted)
	req = create("pvc-1", 0)
	req.VolumeContentSource = fromSnapshot("n2:snapshot-1")
	_, err = d.CreateVolume(context.Background(), req)
	wantCode(t, err, codes.ResourceExhausted)
}

func TestVolumesOfOtherNodesAreNotTouched(t *testing.T) {
	d, ctx := dryDriver(t), context.Background()
	_, err := d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: "n2:pvc-1"})
	wantCode(t, err, codes.FailedPrecondition)
	_, err = d.DeleteSnapshot(ctx, &csi.DeleteSnapshotRequest{SnapshotId: "n2:snapshot-1"})
	wantCode(t, err, codes.FailedPrecondition)
	// But one resizer asks one driver for the volumes of all.
	grown, err := d.ControllerExpandVolume(ctx, &csi.ControllerExpandVolumeRequest{
		VolumeId: "n2:pvc-1", CapacityRange: &csi.CapacityRange{RequiredBytes: usual},
	})
	if err != nil || !grown.NodeExpansionRequired || grown.CapacityBytes != usual {
		t.Errorf("got %v, %v", grown, err)
	}
}

func TestAVolumeInUseIsNotDeleted(t *testing.T) {
	d, ctx := dryDriver(t), context.Background()
	made, err := d.CreateVolume(ctx, create("pvc-1", 0))
	if err != nil {
		t.Fatal(err)
	}
	d.fs.run = func(context.Context, string, ...string) (string, error) { return "/dev/loop9 7:9\n", nil }
	_, err = d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: made.Volume.VolumeId})
	wantCode(t, err, codes.FailedPrecondition)
}

func TestTwoCallsForOneVolumeDoNotMeet(t *testing.T) {
	d, ctx := dryDriver(t), context.Background()
	release, err := d.busy.hold(volumes, "pvc-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.CreateVolume(ctx, create("pvc-1", 0))
	wantCode(t, err, codes.Aborted)
	_, err = d.CreateVolume(ctx, create("pvc-2", 0))
	wantCode(t, err, codes.OK)
	release()
	_, err = d.CreateVolume(ctx, create("pvc-1", 0))
	wantCode(t, err, codes.OK)
}

func TestFlags(t *testing.T) {
	for line, valid := range map[string]bool{
		"--node=n1 --zone=a": true, "--node=n1 --data=/d --endpoint=/e": true,
		"": false, "--node=../x": false, "--node=n1 --data=d": false, "--node=n1 more": false, "--what": false,
	} {
		if _, err := parse(strings.Fields(line)); (err == nil) != valid {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func fromSnapshot(id string) *csi.VolumeContentSource {
	return &csi.VolumeContentSource{Type: &csi.VolumeContentSource_Snapshot{
		Snapshot: &csi.VolumeContentSource_SnapshotSource{SnapshotId: id},
	}}
}

// TestTheLifeOfAVolume goes through real mounts: data written, a snapshot, a
// full disk, growth, the loss of all mounts, a restored copy, deletion.
func TestTheLifeOfAVolume(t *testing.T) {
	for _, tool := range []string{"mkfs.xfs", "xfs_growfs", "losetup", "fsfreeze"} {
		if _, err := exec.LookPath(tool); err != nil || os.Geteuid() != 0 {
			t.Skipf("needs root and %s", tool)
		}
	}
	ctx := context.Background()
	root := t.TempDir()
	d := &driver{node: "n1", store: newStore(t), busy: newKeys(), fs: filesystem{run: runCommand}}
	staging, target := filepath.Join(root, "staging"), filepath.Join(root, "a pod", "mount")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := d.CreateVolume(ctx, create("pvc-1", 0))
	must(made, err)
	id := made.Volume.VolumeId
	stage := func(id string) {
		t.Helper()
		for range 2 { // each call may be repeated
			must(d.NodeStageVolume(ctx, &csi.NodeStageVolumeRequest{
				VolumeId: id, StagingTargetPath: staging, VolumeCapability: capability(),
			}))
			must(d.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
				VolumeId: id, StagingTargetPath: staging, TargetPath: target, VolumeCapability: capability(),
			}))
		}
	}
	unstage := func(id string) {
		t.Helper()
		for range 2 {
			must(d.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: id, TargetPath: target}))
			must(d.NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: id, StagingTargetPath: staging}))
		}
	}
	total := func(id string) int64 {
		t.Helper()
		stats, err := d.NodeGetVolumeStats(ctx, &csi.NodeGetVolumeStatsRequest{VolumeId: id, VolumePath: target})
		must(stats, err)
		return stats.Usage[0].Total
	}
	// Whatever fails below, no mount and no loop device stays.
	t.Cleanup(func() {
		for _, path := range []string{target, staging} {
			for unix.Unmount(path, unix.MNT_DETACH) == nil {
			}
		}
	})

	stage(id)
	must(nil, os.WriteFile(filepath.Join(target, "data"), []byte("kept"), 0o600))

	snapshot, err := d.CreateSnapshot(ctx, &csi.CreateSnapshotRequest{Name: "snapshot-1", SourceVolumeId: id})
	must(snapshot, err)
	must(nil, os.WriteFile(filepath.Join(target, "later"), []byte("not in the snapshot"), 0o600))

	small := total(id)
	if err := fill(filepath.Join(target, "filler")); !isFull(err) {
		t.Errorf("a full volume: %v", err)
	}
	grown, err := d.NodeExpandVolume(ctx, &csi.NodeExpandVolumeRequest{
		VolumeId: id, VolumePath: target, CapacityRange: &csi.CapacityRange{RequiredBytes: 2 * usual},
	})
	must(grown, err)
	if now := total(id); now < small+usual/2 || grown.CapacityBytes != 2*usual {
		t.Errorf("grown from %d to %d, said %d", small, now, grown.CapacityBytes)
	}
	must(nil, os.WriteFile(filepath.Join(target, "more"), make([]byte, mebibyte), 0o600))
	must(nil, os.Remove(filepath.Join(target, "filler")))

	_, err = d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: id})
	wantCode(t, err, codes.FailedPrecondition)

	// The node loses its power: mounts and loop device are gone, the kubelet
	// may still believe in them.
	must(nil, unix.Unmount(target, unix.MNT_DETACH))
	must(nil, unix.Unmount(staging, unix.MNT_DETACH))
	must(d.NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
		VolumeId: id, StagingTargetPath: staging, TargetPath: target, VolumeCapability: capability(),
	}))
	if content, err := os.ReadFile(filepath.Join(target, "data")); string(content) != "kept" {
		t.Errorf("after the power loss: %q, %v", content, err)
	}
	unstage(id)

	req := create("pvc-2", 3*usual)
	req.VolumeContentSource = fromSnapshot(snapshot.Snapshot.SnapshotId)
	restored, err := d.CreateVolume(ctx, req)
	must(restored, err)
	stage(restored.Volume.VolumeId)
	if content, err := os.ReadFile(filepath.Join(target, "data")); string(content) != "kept" {
		t.Errorf("restored: %q, %v", content, err)
	}
	if _, err := os.Stat(filepath.Join(target, "later")); !os.IsNotExist(err) {
		t.Errorf("restored what came later: %v", err)
	}
	if now := total(restored.Volume.VolumeId); now < 3*usual*9/10 {
		t.Errorf("the larger copy has only %d bytes", now)
	}
	unstage(restored.Volume.VolumeId)

	for _, id := range []string{id, restored.Volume.VolumeId} {
		must(d.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: id}))
	}
	must(d.DeleteSnapshot(ctx, &csi.DeleteSnapshotRequest{SnapshotId: snapshot.Snapshot.SnapshotId}))
	for _, k := range []kind{volumes, snapshots} {
		if names, err := d.store.names(k); err != nil || len(names) > 0 {
			t.Errorf("left: %v, %v", names, err)
		}
	}
}

// fill reserves blocks until there are none left.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for offset := int64(0); ; offset += mebibyte {
		if err := unix.Fallocate(int(file.Fd()), 0, offset, mebibyte); err != nil {
			return err
		}
	}
}

func isFull(err error) bool {
	return err == unix.ENOSPC
}
