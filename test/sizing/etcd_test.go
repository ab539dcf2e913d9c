package sizing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// etcd writes objects behind the API server's back, a hundred in the time that it takes to send one through it.
type etcd struct{ connection *grpc.ClientConn }

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
	address := strings.TrimPrefix(flags["--etcd-servers"], "https://")
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return nil, fmt.Errorf("reach etcd: %w", err)
	}
	return &etcd{connection}, nil
}

// Numbers of fields in etcd's messages: https://github.com/etcd-io/etcd/blob/main/api/etcdserverpb/rpc.proto
const (
	txnSuccess     = 2 // of TxnRequest: operations
	operationPut   = 2 // of RequestOp: a PutRequest
	putKey         = 1
	putValue       = 2
	answerHeader   = 1 // of TxnResponse
	headerRevision = 3
)

// put writes all pairs at once, and returns the revision at which they were written.
func (e *etcd) put(ctx context.Context, pairs []pair) (revision string, err error) {
	var question, answer []byte
	for _, p := range pairs {
		put := appendField(appendField(nil, putKey, []byte(p.key)), putValue, p.value)
		question = appendField(question, txnSuccess, appendField(nil, operationPut, put))
	}
	if err := e.connection.Invoke(ctx, "/etcdserverpb.KV/Txn", question, &answer, grpc.ForceCodec(verbatim{})); err != nil {
		return "", fmt.Errorf("write %d objects: %w", len(pairs), err)
	}
	header, _ := field(answer, answerHeader)
	_, n := field(header, headerRevision)
	if n == 0 {
		return "", errors.New("etcd does not tell the revision")
	}
	return strconv.FormatUint(n, 10), nil
}

func appendField(message []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), content)
}

// field is the content of a message's field, as bytes or as a number.
func field(message []byte, wanted protowire.Number) (content []byte, n uint64) {
	for len(message) > 0 {
		number, kind, tagLen := protowire.ConsumeTag(message)
		if tagLen < 0 {
			return nil, 0
		}
		length := protowire.ConsumeFieldValue(number, kind, message[tagLen:])
		if length < 0 {
			return nil, 0
		}
		value := message[tagLen : tagLen+length]
		switch {
		case number == wanted && kind == protowire.BytesType:
			content, _ = protowire.ConsumeBytes(value)
			return content, 0
		case number == wanted && kind == protowire.VarintType:
			n, _ = protowire.ConsumeVarint(value)
			return nil, n
		}
		message = message[tagLen+length:]
	}
	return nil, 0
}

// verbatim has gRPC send and receive messages that are bytes already.
type verbatim struct{}

func (verbatim) Name() string { return "proto" }

func (verbatim) Marshal(v any) ([]byte, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not bytes", v)
	}
	return message, nil
}

func (verbatim) Unmarshal(data []byte, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T takes no bytes", v)
	}
	*message = bytes.Clone(data)
	return nil
}

// encodeSecret writes a Secret as the API server stores it.
func encodeSecret(secret *corev1.Secret) ([]byte, error) {
	var value bytes.Buffer
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme).Encode(secret, &value)
	return value.Bytes(), err
}
