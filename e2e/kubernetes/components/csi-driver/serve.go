package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// serve answers on both sockets until the context ends or one of them fails.
func serve(ctx context.Context, o options, d *driver) error {
	failed := make(chan error, 3)
	plugin := grpc.NewServer(grpc.UnaryInterceptor(logCall))
	csi.RegisterIdentityServer(plugin, d)
	csi.RegisterControllerServer(plugin, d)
	csi.RegisterNodeServer(plugin, d)
	registrar := grpc.NewServer()
	registration.RegisterRegistrationServer(registrar, &registrationServer{endpoint: o.endpoint, failed: failed})

	// The kubelet calls the plugin as soon as it sees the registration.
	for _, s := range []struct {
		server *grpc.Server
		path   string
	}{
		{plugin, o.endpoint},
		{registrar, filepath.Join(o.registration, driverName+"-reg.sock")},
	} {
		listener, err := listen(s.path)
		if err != nil {
			return err
		}
		go func() {
			if err := s.server.Serve(listener); err != nil {
				failed <- fmt.Errorf("serve on %s: %w", s.path, err)
			}
		}()
	}
	slog.Info("serving", "node", o.node, "endpoint", o.endpoint)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	// Mounts and loop devices stay: pods go on while the driver restarts.
	registrar.Stop()
	plugin.GracefulStop()
	return err
}

// listen opens a socket in place of one that an earlier process left behind.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// logCall writes a line for each call that changes something or fails.
func logCall(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	resp, err := handler(ctx, req)
	attributes := []any{"call", filepath.Base(info.FullMethod), "took", time.Since(start).Round(time.Millisecond).String()}
	if r, ok := req.(interface{ GetVolumeId() string }); ok {
		attributes = append(attributes, "volume", r.GetVolumeId())
	}
	if r, ok := req.(interface{ GetName() string }); ok {
		attributes = append(attributes, "name", r.GetName())
	}
	switch filepath.Base(info.FullMethod) {
	case "Probe", "GetPluginInfo", "GetPluginCapabilities", "ControllerGetCapabilities", "NodeGetCapabilities",
		"NodeGetInfo", "NodeGetVolumeStats":
		if err == nil {
			return resp, nil
		}
	}
	if err != nil {
		slog.Warn("call failed", append(attributes, "error", err)...)
	} else {
		slog.Info("call", attributes...)
	}
	return resp, err
}

// registrationServer tells the kubelet where the plugin is.
type registrationServer struct {
	registration.UnsafeRegistrationServer
	endpoint string
	failed   chan<- error
}

func (r *registrationServer) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              driverName,
		Endpoint:          r.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus ends the process when the kubelet refused it: the
// kubelet does not ask again before the socket is made anew.
func (r *registrationServer) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		select {
		case r.failed <- fmt.Errorf("the kubelet refused the registration: %s", status.Error):
		default: // The process is ending already.
		}
	}
	return &registration.RegistrationStatusResponse{}, nil
}
