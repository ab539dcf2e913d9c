package redisstore_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit"
	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
)

// What a real server answers is tested in test/ratelimit.

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	noCertificate := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(noCertificate, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	addresses := []string{"127.0.0.1:6379"}
	cases := map[string]struct {
		options redisstore.Options
		wantErr string
	}{
		"no address":           {redisstore.Options{}, "no address of Redis is given"},
		"a time-out too short": {redisstore.Options{Addresses: addresses, Timeout: time.Microsecond}, "at least 1ms"},
		"a time-out below 0":   {redisstore.Options{Addresses: addresses, Timeout: -time.Second}, "at least 1ms"},
		"a prefix with braces": {redisstore.Options{Addresses: addresses, KeyPrefix: "{a}"}, "has braces"},
		"certificates without TLS": {
			redisstore.Options{Addresses: addresses, CAFile: noCertificate}, "TLS is off",
		},
		"a file without certificates": {
			redisstore.Options{Addresses: addresses, TLS: true, CAFile: noCertificate}, "holds no certificate",
		},
		"a file of certificates that is missing": {
			redisstore.Options{Addresses: addresses, TLS: true, CAFile: noCertificate + "?"}, "no such file",
		},
		"a password file that is missing": {
			redisstore.Options{Addresses: addresses, PasswordFile: noCertificate + "?"}, "no such file",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			store, err := redisstore.New(c.options)
			if err == nil {
				_ = store.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.wantErr) {
				t.Errorf("%v, want %q", err, c.wantErr)
			}
		})
	}
}

func TestATakeLastsNoLongerThanTheTimeout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	const timeout, enough = 50 * time.Millisecond, 10 * time.Second
	for name, options := range map[string]redisstore.Options{
		"of a server":   {},
		"of a cluster":  {Cluster: true},
		"of a Sentinel": {MasterName: "main"},
		"by TLS":        {TLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			options.Addresses, options.Timeout = []string{silent.Addr().String()}, timeout
			store, err := redisstore.New(options)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			for range 2 {
				began := time.Now()
				_, err = store.Take(ratelimit.Subject{Namespace: "a", Name: "b"}, ratelimit.Limit{Requests: 1, Period: time.Second, Burst: 1}, began)
				took := time.Since(began)
				if err == nil || took > enough {
					t.Errorf("%v after %s, want an error after about %s", err, took, timeout)
				}
				t.Log(took, err)
			}
		})
	}
}
