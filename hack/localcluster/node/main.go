//go:build linux

// Command nodecluster runs a Kubernetes cluster of one node for tests: real pods, Services, DNS. It is the larger sibling
// of localcluster, which is a control plane only and needs no root.
//
// One program holds kubelet, kube-controller-manager, kube-scheduler and kube-proxy, and what starts and stops
// them; hack/build-node.sh puts the other programs of a node beside it.
package main

import (
	"os"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/node/cli"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/node/machine"
	"github.com/apikey-operator/apikey-operator/hack/localcluster/supervise"
)

func main() {
	if len(os.Args) > 1 {
		if os.Args[1] == machine.InitCommand {
			os.Exit(machine.Init(os.Stderr))
		}
		supervise.FollowLifeline()
		if run, ok := kubernetesComponents[os.Args[1]]; ok {
			// The components read os.Args themselves.
			os.Args = os.Args[1:]
			os.Exit(run())
		}
	}
	os.Exit(cli.Run(os.Args[1:], os.Stdout, os.Stderr))
}
