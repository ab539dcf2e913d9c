package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// awaitTimeout bounds the wait for what takes effect in milliseconds as a rule.
const awaitTimeout = 30 * time.Second

// request is a GET through nginx.
type request struct {
	path   string
	key    string // sent as X-API-Key; never shown
	header string // one more, as "Name: value"
}

// command is how curl would send it. The demo sends it itself, so that no key stands on a command line, where
// every user of the machine could read it.
func (r request) command(base string) string {
	line := "curl -i"
	if r.key != "" {
		line += ` -H "X-API-Key: $KEY"`
	}
	if r.header != "" {
		line += ` -H "` + r.header + `"`
	}
	return line + " " + base + r.path
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	echo   stack.Echo // with 200: the request as the upstream got it
}

func (a answer) expect(status int) error {
	if a.status != status {
		return mismatch(statusText(status), "%s", statusText(a.status))
	}
	return nil
}

func statusText(status int) string {
	return fmt.Sprintf("%d %s", status, http.StatusText(status))
}

var client = &http.Client{Timeout: 10 * time.Second}

// curl shows a request, sends it and shows the status that came back.
func (d *demo) curl(ctx context.Context, r request) (answer, error) {
	d.out.command(r.command(d.nginx.URL("")))
	a, err := d.send(ctx, r)
	if err == nil {
		d.out.output("HTTP/1.1 " + statusText(a.status))
	}
	return a, err
}

func (d *demo) send(ctx context.Context, r request) (answer, error) {
	outgoing, err := http.NewRequestWithContext(ctx, http.MethodGet, d.nginx.URL(r.path), nil)
	if err != nil {
		return answer{}, err
	}
	if r.key != "" {
		outgoing.Header.Set("X-API-Key", r.key)
	}
	if name, value, ok := strings.Cut(r.header, ": "); ok {
		outgoing.Header.Set(name, value)
	}
	response, err := client.Do(outgoing)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode, header: response.Header}
	body, err := io.ReadAll(response.Body)
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal(body, &a.echo)
	}
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return a, nil
}

// await sends a request until it is answered with a status, and says how long that took.
func (d *demo) await(ctx context.Context, r request, want int) error {
	d.out.command(r.command(d.nginx.URL("")))
	began := time.Now()
	var last answer
	err := stack.Await(ctx, statusText(want), awaitTimeout, func(ctx context.Context) error {
		var err error
		if last, err = d.send(ctx, r); err != nil {
			return err
		}
		return last.expect(want)
	})
	if err != nil {
		return mismatch(statusText(want), "%s for %s", statusText(last.status), awaitTimeout)
	}
	d.out.output("HTTP/1.1 " + statusText(last.status))
	d.out.ok("%d, at most %d ms after kubectl had returned", want, time.Since(began).Milliseconds()+1)
	return nil
}

// readKey reads a key out of a Secret, through a pipe and into this process only.
func (d *demo) readKey(ctx context.Context, secret, dataKey string) (string, error) {
	encoded, err := d.stack.Kubectl(ctx, "get", "secret", secret, "--namespace", namespace, "--output=jsonpath={.data."+dataKey+"}")
	if err != nil {
		return "", err
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil && len(key) == 0 {
		err = errors.New("Secret " + secret + " holds nothing under " + dataKey)
	}
	return string(key), err
}
