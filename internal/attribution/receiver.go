package attribution

import "errors"

// ErrOtherApp is returned for a postback of Apple's about an app that is not counted
// here.
var ErrOtherApp = errors.New("postbacks about this app are not counted here")

// Receiver takes postbacks as an operator's Config says and keeps them in a Store.
type Receiver struct {
	Config Config
	Store  *Store
}

// Verify reads a postback of Apple's about an app that is counted, and reports whether it
// was counted before. Errors are ErrBad and ErrOtherApp. It writes nothing.
func (r *Receiver) Verify(body []byte) (p Postback, seen bool, err error) {
	p, err = r.Config.Keys.Verify(body)
	if err != nil {
		return Postback{}, false, err
	}
	if !r.Config.Counts(p.Item) {
		return Postback{}, false, ErrOtherApp
	}
	return p, r.Store.Has(p.ID), nil
}

// Take counts a verified postback; it is on disk when Take returns. One that came before
// is taken again and counts no more. Errors are ErrFull and those of the file; after the
// last the device may send it again.
func (r *Receiver) Take(p Postback) (first bool, err error) { return r.Store.Add(p) }

// Counts returns all that was taken.
func (r *Receiver) Counts() []Count { return r.Store.Counts() }
