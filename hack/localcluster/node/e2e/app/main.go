// Command app is what the tests run in pods: a server, or with an address as its argument a client of one.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		fetch(os.Args[1])
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		host, err := os.Hostname()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintln(w, host)
	})
	fmt.Println("serving")
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	fail(server.ListenAndServe())
}

// fetch prints what the server answers.
func fetch(url string) {
	client := &http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url) // #nosec G704 -- the test says where to
	fail(err)
	_, err = io.Copy(os.Stdout, response.Body)
	fail(err)
	fail(response.Body.Close())
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
