package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"accord/internal/api"
)

// Client speaks to the API, of a running server or of a house in this process:
// the commands `decide` and `consent` take the same way as any other caller.
type Client struct {
	base string // "" for the house
	key  string
	http http.Handler
}

// Server is a running server that a command speaks to instead of opening the
// data directory; without a URL there is none.
type Server struct{ URL, Key string }

// NewClient returns a client of a running server. Its key is a secret key.
func NewClient(at Server) (*Client, error) {
	u, err := url.Parse(at.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, &UsageError{"--server takes the address of a running accord, such as http://127.0.0.1:8080"}
	}
	if at.Key == "" {
		return nil, &UsageError{"--server needs a secret key: make one with `accord key add --kind secret` and give it with --key or ACCORD_KEY"}
	}
	return &Client{base: strings.TrimRight(at.URL, "/"), key: at.Key}, nil
}

// Do sends one request and writes the answer's JSON to out, indented and
// otherwise as it came, since a receipt's MAC is about its very bytes. An answer
// that is not 2xx becomes an error with the server's own words.
func (c *Client) Do(ctx context.Context, method, path string, body any, out io.Writer) error {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = strings.NewReader(string(b))
	}
	base := c.base
	if base == "" {
		base = "http://house"
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	status, answer, err := c.send(req)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return refusal(status, answer)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(answer), "", "  "); err != nil {
		return fmt.Errorf("the server's answer is not JSON: %w", err)
	}
	pretty.WriteByte('\n')
	_, err = pretty.WriteTo(out)
	return err
}

// refusalError is a refusal as an error.
type refusalError struct {
	status int
	code   string // of the problem
	text   string
}

// Error returns the server's words.
func (r *refusalError) Error() string { return r.text }

// refusal is an answer that is not 2xx, in the server's own words.
func refusal(status int, answer []byte) error {
	var problem api.Problem
	if json.Unmarshal(answer, &problem) != nil || problem.Detail == "" {
		return fmt.Errorf("the server answered %d", status)
	}
	text := problem.Detail
	for _, f := range problem.Errors {
		if strings.Contains(problem.Detail, f.Location+" "+f.Message) {
			continue // is said already
		}
		text += fmt.Sprintf("\n  %s: %s", f.Location, f.Message)
	}
	return &refusalError{status, problem.Code, text}
}

func (c *Client) send(req *http.Request) (int, []byte, error) {
	if c.http != nil {
		w := httptest.NewRecorder()
		c.http.ServeHTTP(w, req)
		return w.Code, w.Body.Bytes(), nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("no answer from %s: is accord serving there? %w", c.base, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return resp.StatusCode, b, err
}
