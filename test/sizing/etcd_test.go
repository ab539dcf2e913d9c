package sizing

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// etcd writes objects behind the API server's back, a hundred in the time that it takes to send one through it. It
// speaks to etcd's gateway for JSON.
type etcd struct {
	url  string
	http *http.Client
}

// pair is a key and what is to stand there.
type pair struct {
	key   string
	value []byte
}

// openEtcd finds etcd as the API server was told to.
func openEtcd(s *stack.Stack) (*etcd, error) {
	pid, err := s.ComponentPID("kube-apiserver")
	if err != nil {
		return nil, err
	}
	arguments, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return nil, err
	}
	flags := map[string]string{}
	for argument := range strings.SplitSeq(string(arguments), "\x00") {
		name, value, _ := strings.Cut(argument, "=")
		flags[name] = value
	}
	config, err := rest.TLSConfigFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{
		CAFile: flags["--etcd-cafile"], CertFile: flags["--etcd-certfile"], KeyFile: flags["--etcd-keyfile"],
	}})
	if err != nil {
		return nil, fmt.Errorf("reach etcd: %w", err)
	}
	config.MinVersion = tls.VersionTLS12
	return &etcd{url: flags["--etcd-servers"], http: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: writers},
	}}, nil
}

// put writes all pairs at once, and returns the revision at which they were written.
func (e *etcd) put(ctx context.Context, pairs []pair) (revision string, err error) {
	type requestPut struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	type operation struct {
		Put requestPut `json:"requestPut"`
	}
	var question struct {
		Success []operation `json:"success"`
	}
	for _, p := range pairs {
		question.Success = append(question.Success, operation{requestPut{[]byte(p.key), p.value}})
	}
	var answer struct {
		Header struct{ Revision string }
	}
	if err := e.ask(ctx, "/v3/kv/txn", question, &answer); err != nil {
		return "", fmt.Errorf("write %d objects: %w", len(pairs), err)
	}
	return answer.Header.Revision, nil
}

func (e *etcd) ask(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := e.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answered %s: %s", response.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// encodeSecret writes a Secret as the API server stores it.
func encodeSecret(secret *corev1.Secret) ([]byte, error) {
	var value bytes.Buffer
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Encode(secret, &value)
	return value.Bytes(), err
}
