package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// DefaultTimeout is the Timeout where none is given.
	DefaultTimeout = 50 * time.Millisecond

	// DefaultKeyPrefix is the KeyPrefix where none is given.
	DefaultKeyPrefix = "apikey-operator:"

	// dialTimeout is how long a connection may take. It is made aside, so that a request waits for it no longer than its
	// own time-out, and one that takes longer serves the next ones.
	dialTimeout = time.Second

	// bufferSize of a connection: what is said over it are some hundred bytes.
	bufferSize = 4 << 10
)

// Options say where Redis is and how to talk to it.
type Options struct {
	// Addresses are host:port of a server; of several nodes of a Redis Cluster; or, with MasterName, of Sentinels.
	Addresses []string
	// MasterName is what the Sentinels call the server. Default: there are no Sentinels.
	MasterName string
	// Cluster says that a single address is that of a Redis Cluster.
	Cluster bool
	// Username of Redis' access control lists. Default: the server's default user.
	Username string
	// PasswordFile holds the password, and perhaps a line break after it. It is read for each new connection, so that a
	// new password counts without a restart. Default: no password.
	PasswordFile string
	// TLS says that connections are encrypted, and the server's certificate is checked.
	TLS bool
	// CAFile holds the certificates, in PEM, of those who may have signed the server's; it needs TLS. Default: those that
	// the system trusts.
	CAFile string
	// KeyPrefix stands before each key. Default: DefaultKeyPrefix.
	KeyPrefix string
	// Timeout is how long one Take may last. Default: DefaultTimeout.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.KeyPrefix == "" {
		o.KeyPrefix = DefaultKeyPrefix
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return o
}

func (o Options) check() error {
	switch {
	case len(o.Addresses) == 0:
		return errors.New("no address of Redis is given")
	case o.Timeout < time.Millisecond:
		return fmt.Errorf("the time-out of Redis is %s: at least 1ms is needed", o.Timeout)
	case strings.ContainsAny(o.KeyPrefix, "{}"):
		return fmt.Errorf("the key prefix %q has braces, which would take the place of those that choose a cluster's node", o.KeyPrefix)
	case o.CAFile != "" && !o.TLS:
		return errors.New("certificates to check Redis by are given, and TLS is off")
	}
	return nil
}

// universal are the settings of the client. It retries nothing: whoever calls Take has another answer.
func (o Options) universal() (*redis.UniversalOptions, error) {
	// The client logs connections that fail, by a logger of the whole process. Take returns the same as an error.
	redis.SetLogger(&logging.VoidLogger{})
	settings := &redis.UniversalOptions{
		Addrs:         o.Addresses,
		MasterName:    o.MasterName,
		IsClusterMode: o.Cluster,

		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           max(dialTimeout, o.Timeout),
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolTimeout:           o.Timeout,
		ContextTimeoutEnabled: true,

		ReadBufferSize:   bufferSize,
		WriteBufferSize:  bufferSize,
		PipelinePoolSize: -1, // nothing is sent in pipelines

		// Each of these would be a command more on every new connection.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Username != "" || o.PasswordFile != "" {
		if _, err := o.password(); err != nil {
			return nil, err
		}
		settings.CredentialsProviderContext = func(context.Context) (string, string, error) {
			password, err := o.password()
			return o.Username, password, err
		}
	}
	if o.TLS {
		var err error
		if settings.TLSConfig, err = o.tls(); err != nil {
			return nil, err
		}
	}
	return settings, nil
}

func (o Options) password() (string, error) {
	if o.PasswordFile == "" {
		return "", nil
	}
	content, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the password of Redis: %w", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

func (o Options) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile == "" {
		return config, nil
	}
	content, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to check Redis by: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", o.CAFile)
	}
	return config, nil
}
