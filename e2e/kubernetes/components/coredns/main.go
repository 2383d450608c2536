// Package main is CoreDNS with only the plugins that the test cluster uses:
// the stock program brings clouds and databases along that take minutes to
// compile.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Plugins register themselves; each must be among the directives, too.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/ready"
)

// The order of the directives is the order in which a query passes the
// plugins; it is that of the stock program.
func init() {
	dnsserver.Directives = []string{
		"bind",
		"health",
		"ready",
		"log",
		"errors",
		"cache",
		"loadbalance",
		"kubernetes",
	}
}

func main() {
	coremain.Run()
}
