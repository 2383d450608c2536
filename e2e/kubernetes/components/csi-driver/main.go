// Package main is the storage driver of the test cluster: each volume is a
// sparse file with XFS in it, mounted through a loop device on the node where
// the file is.
//
// It does what tests of a database need from real storage: volumes that exist
// only on one node and come after its restart, that grow while mounted, run
// full with ENOSPC, and have snapshots to restore from. One process per node is
// controller and node plugin at once; it also registers itself with the
// kubelet. It does not limit throughput, and a snapshot can be restored only on
// its own node.
//
// XFS and not ext4, because growing ext4 online needs a capability
// (CAP_SYS_RESOURCE) that containers and small virtual machines often lack.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// driverName is the name in StorageClass, PersistentVolume and CSINode.
const driverName = "local.csi.berth.dev"

// driverVersion is reported to the kubelet and the sidecars.
const driverVersion = "1.0.0"

// options are the flags.
type options struct {
	node         string
	zone         string
	endpoint     string
	registration string
	data         string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("csi-driver", flag.ContinueOnError)
	flags.StringVar(&o.node, "node", "", "the name of this Node")
	flags.StringVar(&o.zone, "zone", "", "the zone of this Node, reported as "+zoneKey+"; none when empty")
	flags.StringVar(&o.endpoint, "endpoint", "/var/lib/kubelet/plugins/"+driverName+"/csi.sock",
		"the socket on which the kubelet and the sidecars call")
	flags.StringVar(&o.registration, "registration", "/var/lib/kubelet/plugins_registry",
		"the folder in which the kubelet looks for plugins")
	flags.StringVar(&o.data, "data", "/var/lib/berth-volumes", "the folder of volumes and snapshots, on the node's disk")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case !validName(o.node):
		return o, fmt.Errorf("--node=%q is no name of a Node", o.node)
	}
	for name, path := range map[string]string{"endpoint": o.endpoint, "registration": o.registration, "data": o.data} {
		// The kubelet runs with another working directory.
		if !filepath.IsAbs(path) {
			return o, fmt.Errorf("--%s=%q is no absolute path", name, path)
		}
	}
	return o, nil
}

func run(ctx context.Context, o options) error {
	store, err := openStore(o.data, o.node)
	if err != nil {
		return err
	}
	d := &driver{node: o.node, zone: o.zone, store: store, fs: filesystem{run: runCommand}, busy: newKeys()}
	// An earlier process that was killed while it took a snapshot has left
	// a volume frozen, with every writer to it stuck.
	if err := d.thawAll(ctx); err != nil {
		return err
	}
	return serve(ctx, o, d)
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil {
		slog.Error("the driver ends", "error", err)
		os.Exit(1)
	}
}
