// Package main is kube-apiserver, kube-controller-manager, kube-scheduler,
// kube-proxy, kubelet and kubectl in one binary, because they share most of
// their code: one link instead of six, and a fraction of the disk.
//
// The program is chosen by the base name it is called by (through a link) or,
// called by any other name, by its first argument. Each then runs as its own
// main does at this version; nothing in the programs is changed.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	_ "time/tzdata" // time zones of CronJobs, as in the separate programs

	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's ways to authenticate
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of API requests
	_ "k8s.io/component-base/metrics/prometheus/version"  // the version metric
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs holds what runs under each name and returns its exit code. A command
// is built only when it is chosen: building one registers its flags and metrics
// globally, where two would collide.
var programs = map[string]func() int{
	"kube-apiserver": func() int {
		return cli.Run(apiserver.NewAPIServerCommand())
	},
	"kube-controller-manager": func() int {
		return cli.Run(controllermanager.NewControllerManagerCommand())
	},
	"kube-scheduler": func() int {
		return cli.Run(scheduler.NewSchedulerCommand())
	},
	"kube-proxy": func() int {
		return cli.Run(proxy.NewProxyCommand())
	},
	"kubelet": func() int {
		return cli.Run(kubelet.NewKubeletCommand(context.Background()))
	},
	"kubectl": runKubectl,
}

// runKubectl leaves the printing of an error to kubectl's own CheckErr, which
// words it for people and exits with the code that scripts know.
func runKubectl() int {
	// The verbosity is needed before the flags are parsed, because building
	// the command already reads configuration and looks for plugins.
	if _, err := logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	command := kubectl.NewDefaultKubectlCommand()
	if err := cli.RunNoErrOutput(command); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}

// choose finds the program to be, and removes its name from the arguments when
// it was one of them.
func choose() (func() int, bool) {
	if program, ok := programs[filepath.Base(os.Args[0])]; ok {
		return program, true
	}
	if len(os.Args) < 2 {
		return nil, false
	}
	program, ok := programs[os.Args[1]]
	if ok {
		os.Args = os.Args[1:]
	}
	return program, ok
}

func main() {
	program, ok := choose()
	if !ok {
		names := make([]string, 0, len(programs))
		for name := range programs {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: %s PROGRAM [ARGUMENT…], PROGRAM being one of: %s\n",
			filepath.Base(os.Args[0]), strings.Join(names, ", "))
		os.Exit(2)
	}
	os.Exit(program())
}
