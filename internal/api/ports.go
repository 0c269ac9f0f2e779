package api

import (
	"context"
	"time"

	"accord/internal/auth"
	"accord/internal/catalog"
	"accord/internal/choices"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/held"
	"accord/internal/identity"
)

// Keys tell which programs may speak. *auth.Keys are some.
type Keys interface {
	// Check finds a key by its plain text.
	Check(plain string, now time.Time) (auth.Key, bool)
	// Allows reports whether any key is open to pages of a web origin.
	Allows(origin string, now time.Time) bool
	// List returns all keys, those that have ended too.
	List() []auth.Key
}

// People finds the token of a person. *vault.Keys do.
type People interface {
	Hasher() *identity.Hasher
	Find(l identity.Lookup) (identity.Token, bool, error)
	// ErasedSince reports whether whoever had the lookup was erased at this time (Unix
	// milliseconds) or later.
	ErasedSince(l identity.Lookup, at int64) bool
	// Ensure returns existing tokens or makes them, durable before it returns.
	Ensure(ctx context.Context, ls []identity.Lookup) ([]identity.Token, error)
}

// Decider answers asks. *run.Runner does.
type Decider interface {
	Decide(ctx context.Context, who run.Subject, ask decide.Ask) (decide.Answer, error)
}

// Receipts reads receipts back. *run.Journal does.
type Receipts interface {
	// Read returns a receipt's JSON as it left and whom it is about, or
	// run.ErrNoReceipt.
	Read(ctx context.Context, id string) ([]byte, identity.Token, error)
}

// Choices records what people choose. *choices.Choices does.
type Choices interface {
	// RecordSigned makes choices, with the person's signature if there is one,
	// durable and puts them into force before it returns.
	RecordSigned(ctx context.Context, t identity.Token, cs []consent.Choice, signature *consent.Signature) (consent.Record, error)
	// Mark notes durably in which age band a person is.
	Mark(ctx context.Context, t identity.Token, band string) error
	// Honour returns what a signal refuses for a person now, and records it where that
	// is new and may, unless it is nil, allows it.
	Honour(ctx context.Context, t identity.Token, s choices.Signal, may func() bool) (declare.Set, error)
	// Child reports whether a person is known to be a child.
	Child(t identity.Token) bool
	// Link makes it durable that a visitor is a user's, and Unlink that they are
	// not.
	Link(ctx context.Context, visitor, user identity.Token, proof string, at time.Time) error
	Unlink(ctx context.Context, visitor, user identity.Token, proof string) error
	// Stop makes an emergency stop durable and puts it into force, or ends one.
	Stop(ctx context.Context, s consent.Stop) error
	// Knowing returns the purposes that a person gave directly, under any of their
	// tokens, after a signal of their browser had refused them.
	Knowing(t identity.Token) declare.Set
	// Honoured returns the purposes that a signal refused for a person, and about which
	// they said nothing since.
	Honoured(t identity.Token) declare.Set
	// History returns all that a person chose, the oldest first.
	History(ctx context.Context, t identity.Token) ([]consent.Record, error)
	// Erase destroys what is kept about a person and lets nobody find them. It returns
	// the purposes for which a law obliges to keep something.
	Erase(ctx context.Context, t identity.Token, proof string) ([]declare.PurposeID, error)
}

// Held tells what is held of people. *held.Reader does.
type Held interface {
	// Read reports what is held under the tokens of one person, without values.
	Read(ctx context.Context, people ...identity.Token) (held.Report, error)
}

// Collector takes events. *collect.Collector does.
type Collector interface {
	// Collect takes one request and returns when what is kept of it is durable.
	// It must not keep the body, which is used again for other requests.
	Collect(ctx context.Context, r collect.Request) (collect.Result, error)
	// Debug returns the last events of a source, without values.
	Debug(source string) []collect.Trace
}

// Catalog holds the products that answers are made of. *store.Store is one.
type Catalog interface {
	Get(id string) (catalog.Product, bool)
	// Find returns at most limit products whose id or title begins with prefix.
	Find(prefix string, limit int) []catalog.Product
	// Categories returns at most limit categories of which a word begins with prefix,
	// and whether there are more.
	Categories(prefix string, limit int) (found []catalog.Category, more bool)
	// Put adds products or puts them in the place of others, durably.
	Put(products []catalog.Product) error
}
