package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// account is where a pod finds the token of its ServiceAccount and the CA of the API server:
// https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// read reads paths of Kubernetes' API with the pod's own token, and prints of each what it was answered: 200 /api/v1/pods.
func read(ctx context.Context, paths []string, out io.Writer) error {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}
	server := "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	for _, path := range paths {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+path, nil) //nolint:gosec // the test says what to read
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+string(token))
		response, err := client.Do(request) //nolint:gosec // the same
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if _, err := fmt.Fprintln(out, response.StatusCode, path); err != nil {
			return err
		}
	}
	return nil
}
