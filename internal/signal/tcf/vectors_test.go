package tcf

import (
	"testing"

	"accord/internal/signal/reference"
)

var codec = reference.Codec[*String]{Decode: Decode, FromJSON: FromJSON, MaxLength: MaxLength, Long: errLong}

// TestVectors: every public string is read as the reference encoder reads it, or the
// file says why not.
func TestVectors(t *testing.T) { codec.Vectors(t, 40) }
