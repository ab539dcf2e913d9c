// Package traffic is a client that sends requests through a proxy without a pause, and can tell of each whether it was
// answered as it should be.
package traffic

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// SteadyKey is the file of the key of the requests that are sent without a pause.
	SteadyKey = "steady"
	// SteadyPath is where they go.
	SteadyPath = "/reports/steady"
	// workers send them side by side, each with a pause in between, so that a machine of two cores has time for all else.
	workers = 4
	pause   = 80 * time.Millisecond
	// maxFailures is how many failures are told in words; all are counted.
	maxFailures = 20
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 64 << 10
)

// Report is what became of the requests that were sent without a pause.
type Report struct {
	// Allowed reached the application and came back.
	Allowed int64 `json:"allowed"`
	// Failed did not, whatever the reason.
	Failed int64 `json:"failed"`
	// Failures are the last that failed, in words.
	Failures []string `json:"failures"`
	// Revisions counts the allowed ones by the revision of the key, as the application was told it.
	Revisions map[string]int64 `json:"revisions"`
}

// Answer is what one request was answered.
type Answer struct {
	Status int `json:"status"`
	// Body is the application's, or of the proxy that refused.
	Body string `json:"body"`
}

// Client sends requests to a proxy. As an http.Handler it tells at /report what became of them, and at
// /ask?path=PATH&key=FILE sends one more, with the key of that file, or with none.
type Client struct {
	proxy, keys string
	http        *http.Client
	mux         *http.ServeMux

	mu     sync.Mutex
	report Report
}

// NewClient makes a client of a proxy, such as http://nginx:8080, that finds keys in the files of a directory.
func NewClient(proxy, keys string) *Client {
	c := &Client{
		proxy: proxy, keys: keys, mux: http.NewServeMux(), report: Report{Revisions: map[string]int64{}},
		http: &http.Client{Timeout: 10 * time.Second},
	}
	c.mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	c.mux.HandleFunc("GET /report", c.serveReport)
	c.mux.HandleFunc("GET /ask", c.serveAnswer)
	return c
}

// ServeHTTP implements http.Handler.
func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// Start sends requests until the context ends. The key is read anew for each, as a consumer does that follows its Secret.
// What comes before the first that is allowed is not counted.
func (c *Client) Start(ctx context.Context) {
	for range workers {
		go c.work(ctx)
	}
}

func (c *Client) work(ctx context.Context) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for begun := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		answer, err := c.ask(ctx, SteadyPath, SteadyKey)
		if ctx.Err() != nil {
			return
		}
		begun = begun || err == nil && answer.Status == http.StatusOK
		if begun {
			c.count(answer, err)
		}
	}
}

func (c *Client) count(answer Answer, err error) {
	revision, wrong := "", err
	if wrong == nil {
		revision, wrong = revisionOf(answer)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if wrong == nil {
		c.report.Allowed++
		c.report.Revisions[revision]++
		return
	}
	c.report.Failed++
	c.report.Failures = append(c.report.Failures, time.Now().UTC().Format(time.StampMilli)+" "+wrong.Error())
	c.report.Failures = c.report.Failures[max(0, len(c.report.Failures)-maxFailures):]
}

// revisionOf is the revision of the key that the application was told.
func revisionOf(answer Answer) (string, error) {
	if answer.Status != http.StatusOK {
		return "", fmt.Errorf("answered %d", answer.Status)
	}
	var echo Request
	if err := json.Unmarshal([]byte(answer.Body), &echo); err != nil {
		return "", fmt.Errorf("not answered by the application: %w", err)
	}
	return cmp.Or(echo.Headers.Get("X-Apikey-Revision"), "none"), nil
}

// ask sends one request; an empty key is none.
func (c *Client) ask(ctx context.Context, path, key string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.proxy+path, nil) //nolint:gosec // the test says where to
	if err != nil {
		return Answer{}, err
	}
	if key != "" {
		content, err := os.ReadFile(filepath.Join(c.keys, filepath.Base(key)))
		if err != nil {
			return Answer{}, err
		}
		request.Header.Set("X-API-Key", strings.TrimSpace(string(content)))
	}
	response, err := c.http.Do(request) //nolint:gosec // the same
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return Answer{Status: response.StatusCode, Body: string(body)}, err
}

func (c *Client) serveReport(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	writeJSON(w, c.report)
}

func (c *Client) serveAnswer(w http.ResponseWriter, r *http.Request) {
	answer, err := c.ask(r.Context(), r.FormValue("path"), r.FormValue("key"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	// An error here is the asker's going away, which is its own affair.
	_ = json.NewEncoder(w).Encode(value)
}

// Request is what the application answers: the request as it arrived there.
type Request struct {
	Method  string      `json:"method"`
	URI     string      `json:"uri"`
	Headers http.Header `json:"headers"`
}

// Echo is the application.
func Echo(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, Request{Method: r.Method, URI: r.RequestURI, Headers: r.Header})
}
