package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"accord/internal/signal/gpp"
	"accord/internal/signal/tcf"
)

// maxSignalJSON is how many bytes of JSON SignalEncode reads. The longest string that
// is decoded gives a tenth of it.
const maxSignalJSON = 1 << 20

// SignalDecode prints what a TC string or a GPP string says, as JSON with the
// specification's field names. A GPP string begins with D, a TC string with C.
func SignalDecode(text string, out io.Writer) error {
	text = strings.TrimSpace(text)
	var says any
	var err error
	switch {
	case text == "":
		return &UsageError{"the string is empty: give a TC string or a GPP string"}
	case text[0] == 'D':
		says, err = gpp.Decode(text)
	case text[0] == 'B' || text[0] == 'C':
		says, err = tcf.Decode(text)
	default:
		return errors.New("this is neither a GPP string, which begins with DB, nor a TC string of version 2, which begins with C")
	}
	if err != nil {
		return err
	}
	b, err := json.Marshal(says)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, b, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, pretty.String())
	return err
}

// SignalEncode reads JSON such as SignalDecode prints and prints the string of that
// format, tcf or gpp, in its canonical form.
func SignalEncode(format string, in io.Reader, out io.Writer) error {
	b, err := io.ReadAll(io.LimitReader(in, maxSignalJSON+1))
	if err != nil {
		return err
	}
	if len(b) > maxSignalJSON {
		return fmt.Errorf("the JSON has more than %d bytes: no string is that long", maxSignalJSON)
	}
	var text string
	switch format {
	case "tcf":
		var s *tcf.String
		if s, err = tcf.FromJSON(b); err == nil {
			text, err = s.Encode()
		}
	case "gpp":
		var s *gpp.String
		if s, err = gpp.FromJSON(b); err == nil {
			text, err = s.Encode()
		}
	default:
		return &UsageError{fmt.Sprintf("there is no format %.20q: there are tcf and gpp", format)}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
