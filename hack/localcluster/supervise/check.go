package supervise

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"time"
)

// checkTimeout bounds one look at a component that may not answer yet.
const checkTimeout = 2 * time.Second

// Answers is a check that succeeds when url answers 200 to a client with this configuration of TLS (nil for plain HTTP).
func Answers(url string, config *tls.Config) func(context.Context) error {
	// A connection per look: one that was refused or cut while the server started is not used again.
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: checkTimeout}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %s", url, response.Status)
		}
		return nil
	}
}

// Exists is a check that succeeds once there is a file of that name.
func Exists(file string) func(context.Context) error {
	return func(context.Context) error {
		_, err := os.Stat(file)
		return err
	}
}
