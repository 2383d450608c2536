package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// nodeKey is the topology key by which a volume is bound to its node.
const nodeKey = "topology." + driverName + "/node"

// zoneKey is the well-known topology key of zones.
const zoneKey = "topology.kubernetes.io/zone"

// driver answers the calls of the Container Storage Interface for one node.
// Every call may be repeated, and may come after a crash in the middle of an
// earlier one.
type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer

	node  string
	zone  string
	store *store
	fs    filesystem
	busy  *keys
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: driverVersion}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	service := func(t csi.PluginCapability_Service_Type) *csi.PluginCapability {
		return &csi.PluginCapability{Type: &csi.PluginCapability_Service_{
			Service: &csi.PluginCapability_Service{Type: t},
		}}
	}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		service(csi.PluginCapability_Service_CONTROLLER_SERVICE),
		service(csi.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS),
		{Type: &csi.PluginCapability_VolumeExpansion_{VolumeExpansion: &csi.PluginCapability_VolumeExpansion{
			Type: csi.PluginCapability_VolumeExpansion_ONLINE,
		}}},
	}}, nil
}

// topology is where this node's volumes can be used: here only.
func (d *driver) topology() *csi.Topology {
	segments := map[string]string{nodeKey: d.node}
	if d.zone != "" {
		segments[zoneKey] = d.zone
	}
	return &csi.Topology{Segments: segments}
}

// keys holds what a call is working on. The callers repeat calls that time
// out, so a second one may come while the first still runs.
type keys struct {
	mutex sync.Mutex
	held  map[[2]string]bool
}

func newKeys() *keys {
	return &keys{held: map[[2]string]bool{}}
}

// hold takes a thing or tells the caller to come again; the interface's code
// for that is Aborted.
func (k *keys) hold(of kind, name string) (release func(), err error) {
	key := [2]string{string(of), name}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.held[key] {
		return nil, status.Errorf(codes.Aborted, "another call works on %s of %s", name, of)
	}
	k.held[key] = true
	return func() {
		k.mutex.Lock()
		defer k.mutex.Unlock()
		delete(k.held, key)
	}, nil
}

// coded gives an error of the store or the filesystem the code that tells the
// callers what to do about it.
func coded(err error) error {
	code := codes.Internal
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		code = codes.NotFound
	case errors.Is(err, errForeign):
		code = codes.FailedPrecondition
	case errors.Is(err, errNoSpace):
		code = codes.ResourceExhausted
	}
	return status.Error(code, err.Error())
}

// missing is the error for a required field that a caller left empty.
func missing(field string) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf("the request has no %s", field))
}
