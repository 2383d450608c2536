package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (d *driver) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	var capabilities []*csi.ControllerServiceCapability
	for _, t := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		capabilities = append(capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: t}},
		})
	}
	return &csi.ControllerGetCapabilitiesResponse{Capabilities: capabilities}, nil
}

// supported says why a volume cannot be used as asked; empty when it can.
func supported(capabilities []*csi.VolumeCapability) string {
	for _, c := range capabilities {
		switch c.GetAccessMode().GetMode() {
		case csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY,
			csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER,
			csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER:
			return "a volume exists on one node only: use ReadWriteOnce or ReadWriteOncePod"
		}
		if c.GetBlock() != nil {
			return "raw block volumes are not supported: use volumeMode Filesystem"
		}
		if t := c.GetMount().GetFsType(); t != "" && t != "xfs" {
			return "only xfs is supported, not " + t
		}
	}
	return ""
}

func (d *driver) ValidateVolumeCapabilities(
	_ context.Context, req *csi.ValidateVolumeCapabilitiesRequest,
) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	if len(req.VolumeCapabilities) == 0 {
		return nil, missing("volume capabilities")
	}
	name, err := d.store.name(req.VolumeId)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	if _, err := d.store.load(volumes, name); err != nil {
		return nil, coded(err)
	}
	if reason := supported(req.VolumeCapabilities); reason != "" {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: reason}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{
		Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: req.VolumeCapabilities},
	}, nil
}

func (d *driver) CreateVolume(ctx context.Context, req *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if !validName(req.Name) {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no name for a volume", req.Name)
	}
	if len(req.VolumeCapabilities) == 0 {
		return nil, missing("volume capabilities")
	}
	if reason := supported(req.VolumeCapabilities); reason != "" {
		return nil, status.Error(codes.InvalidArgument, reason)
	}
	if !d.reachable(req.AccessibilityRequirements) {
		return nil, status.Errorf(codes.ResourceExhausted, "volumes are made on %s only", d.node)
	}
	if req.VolumeContentSource.GetVolume() != nil {
		return nil, status.Error(codes.InvalidArgument, "volumes are copied by way of a snapshot only")
	}
	release, err := d.busy.hold(volumes, req.Name)
	if err != nil {
		return nil, err
	}
	defer release()

	source := req.VolumeContentSource.GetSnapshot().GetSnapshotId()
	r, err := d.store.load(volumes, req.Name)
	switch {
	case err == nil:
		if !fits(r.Size, req.CapacityRange) || r.Source != source {
			return nil, status.Errorf(codes.AlreadyExists,
				"volume %s exists with %d bytes from %q", r.ID, r.Size, r.Source)
		}
	case errors.Is(err, fs.ErrNotExist):
		if r, err = d.make(ctx, req, source); err != nil {
			return nil, err
		}
	default:
		return nil, coded(err)
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:           r.ID,
		CapacityBytes:      r.Size,
		ContentSource:      req.VolumeContentSource,
		AccessibleTopology: []*csi.Topology{d.topology()},
	}}, nil
}

// make makes a volume, empty or from a snapshot.
func (d *driver) make(ctx context.Context, req *csi.CreateVolumeRequest, source string) (*record, error) {
	size, err := sizeFor(req.CapacityRange)
	if err != nil {
		return nil, err
	}
	fill := func(image string) error { return d.fs.format(ctx, image, size) }
	if source != "" {
		name, err := d.store.name(source)
		if err != nil {
			// This code makes the provisioner ask the scheduler for another node.
			return nil, status.Errorf(codes.ResourceExhausted,
				"snapshot %s is not on %s, where the pod was scheduled", source, d.node)
		}
		release, err := d.busy.hold(snapshots, name)
		if err != nil {
			return nil, err
		}
		defer release()
		snapshot, err := d.store.load(snapshots, name)
		if err != nil {
			return nil, coded(err)
		}
		if limit := req.CapacityRange.GetLimitBytes(); limit > 0 && snapshot.Size > limit {
			return nil, status.Errorf(codes.OutOfRange, "the snapshot has %d bytes, more than the limit", snapshot.Size)
		}
		size = max(size, snapshot.Size)
		fill = func(image string) error { return d.fs.copy(ctx, d.store.image(snapshots, name), image, size) }
	}
	r, err := d.store.create(volumes, req.Name, record{Size: size, Source: source, Created: time.Now().UTC()}, fill)
	return r, coded(err)
}

// reachable says whether this node is among those where the volume is wanted.
func (d *driver) reachable(wanted *csi.TopologyRequirement) bool {
	if len(wanted.GetRequisite()) == 0 {
		return true
	}
	for _, t := range wanted.Requisite {
		if node, found := t.GetSegments()[nodeKey]; !found || node == d.node {
			return true
		}
	}
	return false
}

func (d *driver) DeleteVolume(ctx context.Context, req *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	name, err := d.store.name(req.VolumeId)
	if err != nil {
		return nil, coded(err)
	}
	release, err := d.busy.hold(volumes, name)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := d.store.load(volumes, name); errors.Is(err, fs.ErrNotExist) {
		return &csi.DeleteVolumeResponse{}, nil
	} else if err != nil {
		return nil, coded(err)
	}
	devices, err := d.fs.devices(ctx, d.store.image(volumes, name))
	if err != nil {
		return nil, coded(err)
	}
	if len(devices) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is still in use by %s", req.VolumeId, devices[0].path)
	}
	if err := d.store.remove(volumes, name); err != nil {
		return nil, coded(err)
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// ControllerExpandVolume changes nothing: one resizer serves all nodes, and
// the work is done on the volume's own node by NodeExpandVolume.
func (d *driver) ControllerExpandVolume(
	_ context.Context, req *csi.ControllerExpandVolumeRequest,
) (*csi.ControllerExpandVolumeResponse, error) {
	if req.VolumeId == "" {
		return nil, missing("volume id")
	}
	if req.CapacityRange == nil {
		return nil, missing("capacity range")
	}
	size, err := sizeFor(req.CapacityRange)
	if err != nil {
		return nil, err
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: size, NodeExpansionRequired: true}, nil
}

func (d *driver) CreateSnapshot(
	ctx context.Context, req *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	if !validName(req.Name) {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no name for a snapshot", req.Name)
	}
	if req.SourceVolumeId == "" {
		return nil, missing("source volume id")
	}
	release, err := d.busy.hold(snapshots, req.Name)
	if err != nil {
		return nil, err
	}
	defer release()

	r, err := d.store.load(snapshots, req.Name)
	switch {
	case err == nil:
		if r.Source != req.SourceVolumeId {
			return nil, status.Errorf(codes.AlreadyExists, "snapshot %s is one of %s", r.ID, r.Source)
		}
	case errors.Is(err, fs.ErrNotExist):
		if r, err = d.snapshot(ctx, req); err != nil {
			return nil, err
		}
	default:
		return nil, coded(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: &csi.Snapshot{
		SnapshotId:     r.ID,
		SourceVolumeId: r.Source,
		SizeBytes:      r.Size,
		CreationTime:   timestamppb.New(r.Created),
		ReadyToUse:     true,
	}}, nil
}

// snapshot copies a volume while it is frozen, if it is in use.
func (d *driver) snapshot(ctx context.Context, req *csi.CreateSnapshotRequest) (*record, error) {
	name, err := d.store.name(req.SourceVolumeId)
	if err != nil {
		return nil, coded(err)
	}
	// Held throughout, so that nothing mounts, grows or deletes the volume meanwhile.
	release, err := d.busy.hold(volumes, name)
	if err != nil {
		return nil, err
	}
	defer release()
	volume, err := d.store.load(volumes, name)
	if err != nil {
		return nil, coded(err)
	}
	image := d.store.image(volumes, name)
	record := record{Size: volume.Size, Source: volume.ID, Created: time.Now().UTC()}
	r, err := d.store.create(snapshots, req.Name, record, func(to string) error {
		return d.frozen(ctx, image, func() error { return d.fs.copy(ctx, image, to, volume.Size) })
	})
	return r, coded(err)
}

func (d *driver) DeleteSnapshot(
	_ context.Context, req *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	if req.SnapshotId == "" {
		return nil, missing("snapshot id")
	}
	name, err := d.store.name(req.SnapshotId)
	if err != nil {
		return nil, coded(err)
	}
	release, err := d.busy.hold(snapshots, name)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := d.store.remove(snapshots, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, coded(err)
	}
	return &csi.DeleteSnapshotResponse{}, nil
}
