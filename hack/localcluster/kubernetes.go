package main

import (
	_ "time/tzdata" // for time zones in CEL on a machine without a zone database

	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // makes --logging-format=json known
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // registers the client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // registers the version metric
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"

	"github.com/apikey-operator/apikey-operator/hack/localcluster/cluster"
)

// kubernetesComponents are the programs that are linked in as they are. Each does what its own main
// function does, and is given the arguments with its name first.
var kubernetesComponents = map[string]func(args []string) int{
	cluster.Etcd:      runEtcd,
	cluster.APIServer: runAPIServer,
	"kubectl":         runKubectl,
}

func runEtcd(args []string) int {
	etcdmain.Main(args)
	return exitOK
}

func runAPIServer([]string) int {
	return cli.Run(apiserver.NewAPIServerCommand())
}

func runKubectl(args []string) int {
	if _, err := logs.GlogSetter(kubectl.GetLogVerbosity(args)); err != nil {
		return exitUsage
	}
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints the error as kubectl does and exits
	}
	return exitOK
}
