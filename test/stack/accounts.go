package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The ServiceAccounts of config/default.
const (
	ManagerAccount  = "apikey-operator-manager"
	VerifierAccount = "apikey-operator-verifier"
)

func (s *Stack) kubeconfigPath(process string) string {
	return filepath.Join(s.Dir, process+".kubeconfig")
}

// writeKubeconfig writes a kubeconfig that holds a token of one of the operator's ServiceAccounts, and
// nothing of the administrator's. With a server it leads there, such as https://127.0.0.1:6443, instead
// of to the API server itself.
func (s *Stack) writeKubeconfig(ctx context.Context, path, account, server string) error {
	token, err := s.Kubectl(ctx, "create", "token", account, "--namespace", SystemNamespace, "--duration=24h")
	if err != nil {
		return fmt.Errorf("get a token for ServiceAccount %s: %w", account, err)
	}
	admin, err := clientcmd.LoadFromFile(s.AdminKubeconfig())
	if err != nil {
		return fmt.Errorf("read the administrator's kubeconfig: %w", err)
	}
	cluster := admin.Clusters[admin.Contexts[admin.CurrentContext].Cluster]
	if server != "" {
		cluster.Server = server
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["local"] = cluster
	config.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)}
	config.Contexts["local"] = &clientcmdapi.Context{Cluster: "local", AuthInfo: account}
	config.CurrentContext = "local"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", account, err)
	}
	return nil
}
