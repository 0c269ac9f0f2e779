package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"accord/internal/consent"
	"accord/internal/law"
)

// Place reads a place as people write it: small letters are raised.
func Place(text string) (string, error) {
	place := strings.ToUpper(text)
	if !law.Place(place).Valid() {
		return "", fmt.Errorf("%q is no place: write a country as ISO 3166 spells it, such as DE, or a part of one, such as US-CA", text)
	}
	return place, nil
}

// Explain writes why the gate answers as it does. The query is that of GET
// /v1/explain.
func Explain(ctx context.Context, c Config, at Server, query string, asJSON bool, out io.Writer) error {
	return speak(ctx, c, at, func(client *Client) error {
		if asJSON {
			return client.Do(ctx, "GET", "/v1/explain?"+query, nil, out)
		}
		var body bytes.Buffer
		if err := client.Do(ctx, "GET", "/v1/explain?"+query, nil, &body); err != nil {
			return err
		}
		var e consent.Explanation
		if err := json.Unmarshal(body.Bytes(), &e); err != nil {
			return err
		}
		_, err := io.WriteString(out, e.String())
		return err
	})
}
