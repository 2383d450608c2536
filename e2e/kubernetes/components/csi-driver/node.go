package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node, AccessibleTopology: d.topology()}, nil
}

func (d *driver) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	var capabilities []*csi.NodeServiceCapability
	for _, t := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		capabilities = append(capabilities, &csi.NodeServiceCapability{
			Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: t}},
		})
	}
	return &csi.NodeGetCapabilitiesResponse{Capabilities: capabilities}, nil
}

// held finds a volume of this node and holds it for one call.
func (d *driver) held(id string) (name string, r *record, release func(), err error) {
	if name, err = d.store.name(id); err != nil {
		return "", nil, nil, status.Error(codes.NotFound, err.Error())
	}
	if release, err = d.busy.hold(volumes, name); err != nil {
		return "", nil, nil, err
	}
	if r, err = d.store.load(volumes, name); err != nil {
		release()
		return "", nil, nil, coded(err)
	}
	return name, r, release, nil
}

// NodeStageVolume mounts a volume at the place from which its pods' mounts are
// made. The kubelet calls it again after a restart of the node, when the image
// is all that is left.
func (d *driver) NodeStageVolume(
	ctx context.Context, req *csi.NodeStageVolumeRequest,
) (*csi.NodeStageVolumeResponse, error) {
	switch {
	case req.VolumeId == "":
		return nil, missing("volume id")
	case req.StagingTargetPath == "":
		return nil, missing("staging target path")
	case req.VolumeCapability == nil:
		return nil, missing("volume capability")
	}
	if reason := supported([]*csi.VolumeCapability{req.VolumeCapability}); reason != "" {
		return nil, status.Error(codes.InvalidArgument, reason)
	}
	name, _, release, err := d.held(req.VolumeId)
	if err != nil {
		return nil, err
	}
	defer release()

	if err := d.stage(ctx, name, filepath.Clean(req.StagingTargetPath), req.VolumeCapability); err != nil {
		return nil, err
	}
	return &csi.NodeStageVolumeResponse{}, nil
}

// stage mounts a volume at a path, unless it is there.
func (d *driver) stage(ctx context.Context, name, target string, capability *csi.VolumeCapability) error {
	image := d.store.image(volumes, name)
	mounted, err := d.mountedImage(ctx, image, target)
	if err != nil {
		return err
	}
	if !mounted {
		if err := os.MkdirAll(target, 0o750); err != nil {
			return coded(err)
		}
		if err := d.fs.mount(ctx, image, target, capability.GetMount().GetMountFlags()); err != nil {
			return coded(err)
		}
	}
	// A volume restored into a larger one has a filesystem smaller than its
	// image; so has one whose growth a crash cut short.
	return coded(d.fs.grow(ctx, image, target))
}

// mountedImage says whether an image is mounted at a path. Anything else there
// is an error: to mount over it would hide it.
func (d *driver) mountedImage(ctx context.Context, image, target string) (bool, error) {
	points, err := mounts()
	if err != nil {
		return false, coded(err)
	}
	number, found := mountedAt(points, target)
	if !found {
		return false, nil
	}
	devices, err := d.fs.devices(ctx, image)
	if err != nil {
		return false, coded(err)
	}
	for _, device := range devices {
		if device.number == number {
			return true, nil
		}
	}
	return false, status.Errorf(codes.FailedPrecondition, "something else is mounted at %s", target)
}

func (d *driver) NodePublishVolume(
	ctx context.Context, req *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	switch {
	case req.VolumeId == "":
		return nil, missing("volume id")
	case req.TargetPath == "":
		return nil, missing("target path")
	case req.StagingTargetPath == "":
		return nil, missing("staging target path")
	case req.VolumeCapability == nil:
		return nil, missing("volume capability")
	}
	name, _, release, err := d.held(req.VolumeId)
	if err != nil {
		return nil, err
	}
	defer release()

	image := d.store.image(volumes, name)
	staging, target := filepath.Clean(req.StagingTargetPath), filepath.Clean(req.TargetPath)
	// After a restart of the node the kubelet may remember that the volume was
	// staged, while its mount went with the node.
	if err := d.stage(ctx, name, staging, req.VolumeCapability); err != nil {
		return nil, err
	}
	published, err := d.mountedImage(ctx, image, target)
	if err != nil {
		return nil, err
	}
	if published {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, coded(err)
	}
	if err := d.fs.bind(ctx, staging, target, req.Readonly); err != nil {
		return nil, coded(err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *driver) NodeUnpublishVolume(
	ctx context.Context, req *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	if req.TargetPath == "" {
		return nil, missing("target path")
	}
	if err := d.away(ctx, req.VolumeId, req.TargetPath); err != nil {
		return nil, err
	}
	// Only an empty folder: whatever a pod wrote while nothing was mounted is
	// not ours to delete.
	if err := os.Remove(req.TargetPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func (d *driver) NodeUnstageVolume(
	ctx context.Context, req *csi.NodeUnstageVolumeRequest,
) (*csi.NodeUnstageVolumeResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	if req.StagingTargetPath == "" {
		return nil, missing("staging target path")
	}
	// The loop device goes with its last mount.
	if err := d.away(ctx, req.VolumeId, req.StagingTargetPath); err != nil {
		return nil, err
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

// away unmounts a volume from a path, if it is there. It does not need the
// volume's record: a mount must go also when its volume is lost.
func (d *driver) away(ctx context.Context, id, path string) error {
	name, err := d.store.name(id)
	if err != nil {
		return coded(err)
	}
	release, err := d.busy.hold(volumes, name)
	if err != nil {
		return err
	}
	defer release()
	target := filepath.Clean(path)
	for {
		points, err := mounts()
		if err != nil {
			return coded(err)
		}
		if _, found := mountedAt(points, target); !found {
			return nil
		}
		if err := d.fs.unmount(ctx, target); err != nil {
			return coded(err)
		}
	}
}

// NodeExpandVolume grows the image, the device and the filesystem while pods
// use them.
func (d *driver) NodeExpandVolume(
	ctx context.Context, req *csi.NodeExpandVolumeRequest,
) (*csi.NodeExpandVolumeResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	if req.VolumePath == "" {
		return nil, missing("volume path")
	}
	name, r, release, err := d.held(req.VolumeId)
	if err != nil {
		return nil, err
	}
	defer release()
	size := r.Size
	if req.CapacityRange != nil {
		wanted, err := sizeFor(req.CapacityRange)
		if err != nil {
			return nil, err
		}
		size = max(size, wanted)
	}
	image, target := d.store.image(volumes, name), filepath.Clean(req.VolumePath)
	mounted, err := d.mountedImage(ctx, image, target)
	if err != nil {
		return nil, err
	}
	if !mounted {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is not mounted at %s", req.VolumeId, target)
	}
	// The image first: whatever a crash leaves undone is made up for at the
	// next call or mount, for the filesystem follows the image.
	if err := sparse(image, size); err != nil {
		return nil, coded(err)
	}
	if err := d.fs.grow(ctx, image, target); err != nil {
		return nil, coded(err)
	}
	if err := d.store.resize(name, size); err != nil {
		return nil, coded(err)
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, nil
}

func (d *driver) NodeGetVolumeStats(
	_ context.Context, req *csi.NodeGetVolumeStatsRequest,
) (*csi.NodeGetVolumeStatsResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	if req.VolumePath == "" {
		return nil, missing("volume path")
	}
	points, err := mounts()
	if err != nil {
		return nil, coded(err)
	}
	if _, found := mountedAt(points, filepath.Clean(req.VolumePath)); !found {
		return nil, status.Errorf(codes.NotFound, "nothing is mounted at %s", req.VolumePath)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(req.VolumePath, &s); err != nil {
		return nil, coded(err)
	}
	block := s.Bsize
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{
			Unit:      csi.VolumeUsage_BYTES,
			Total:     int64(s.Blocks) * block,
			Available: int64(s.Bavail) * block,
			Used:      int64(s.Blocks-s.Bfree) * block,
		},
		{
			Unit:      csi.VolumeUsage_INODES,
			Total:     int64(s.Files),
			Available: int64(s.Ffree),
			Used:      int64(s.Files - s.Ffree),
		},
	}}, nil
}

// thawLimit bounds the wait for a frozen volume to be let go.
const thawLimit = 30 * time.Second

// frozen runs work while nothing is written to an image's filesystem.
func (d *driver) frozen(ctx context.Context, image string, work func() error) error {
	target, err := d.anyMount(ctx, image)
	if err != nil {
		return err
	}
	if target == "" {
		return work()
	}
	if err := d.fs.freeze(ctx, target); err != nil {
		return err
	}
	done := work()
	// The caller's context may have ended, but the volume must not stay frozen.
	thawing, stop := context.WithTimeout(context.WithoutCancel(ctx), thawLimit)
	defer stop()
	return errors.Join(done, d.fs.thaw(thawing, target))
}

// anyMount is a path where an image is mounted; empty when it is nowhere.
func (d *driver) anyMount(ctx context.Context, image string) (string, error) {
	devices, err := d.fs.devices(ctx, image)
	if err != nil {
		return "", err
	}
	points, err := mounts()
	if err != nil {
		return "", err
	}
	for _, device := range devices {
		for _, point := range points {
			if point.number == device.number {
				return point.target, nil
			}
		}
	}
	return "", nil
}

// thawAll lets go of volumes that an earlier process froze.
func (d *driver) thawAll(ctx context.Context) error {
	names, err := d.store.names(volumes)
	if err != nil {
		return err
	}
	for _, name := range names {
		target, err := d.anyMount(ctx, d.store.image(volumes, name))
		if err != nil {
			return err
		}
		if target == "" {
			continue
		}
		// A volume that was not frozen answers with an error, which is the
		// usual case.
		if d.fs.thaw(ctx, target) == nil {
			slog.Warn("thawed a volume that was left frozen", "volume", name)
		}
	}
	return nil
}
