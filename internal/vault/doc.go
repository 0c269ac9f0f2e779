// Package vault keeps what is known about people, sealed.
//
// It has two stores, each in a directory of its own:
//
//   - [Keys] turns identifiers' lookups into random tokens and holds one data
//     key for each person and class. Every change is synced to disk before
//     anybody sees it; changes of concurrent callers share one sync.
//   - [Vault] is the fold of the event log: sealed profile parts, the index from
//     a person to the frames that hold their records, and the message ids of the
//     last days. It is written unsynced, with the applied stream sequence in the
//     same batch, so a crash replays the tail of the log and a lost directory
//     is rebuilt from its start.
//
// A profile leaves the vault only against a grant:
//
//	keys, err := vault.OpenKeys(filepath.Join(data, "keys"), d)
//	v, err := vault.Open(filepath.Join(data, "state"), d, keys, gate, now)
//	go log.Follow(ctx, v.Applied(), v.Apply)
//	…
//	grant, reason := gate.Ask(token, purpose, consent.Where{}, now())
//	if reason == consent.Allowed {
//		view, err := v.View(ctx, grant) // cut to the grant, and to nothing else
//	}
//
// The chain of keys: dir/kek.json (a Tink keyset, mode 0600) wraps the key-store
// key, which wraps each data key and each named secret. The key-encryption key
// is asked once, at start. Without kek.json nothing can be opened.
//
// What is on disk: tokens, lookups and message ids are keyed hashes or random
// numbers; every other value is sealed. layout.go is the one place that says
// what each row is.
//
// Both stores remember the identity of the log that they belong to, and the keys
// how far its choices reached, so that the app refuses a log that was lost or is
// an older copy: see [Keys.Log] and [WithLog].
//
// Of whoever was erased the key store keeps a suppression list: for each lookup
// that was forgotten, the time of it. Without it an old file or a client's queue would
// bring the person back, as a new token with their old data or an old yes. It is the
// least that does this: the keyed hash, which names nobody without the store's key,
// and a time; not the id, not the token, not what there was. It is never read but to
// refuse what is older: see [Keys.ErasedSince].
//
// Cost of knowing the message ids of two days: 64 kB of memory a stream in a quiet
// shop, and at most 45 MB where eleven million records a day and stream come; they
// are read back at every start.
//
// A disk that fails or is full ends a store in order: the first failed write
// freezes the files as a crash at that instant would have, every later change
// returns the fault, [Keys.Failed] and [Vault.Failed] tell the app to stop, and
// the next start continues from what was acknowledged.
//
// Promises kept here: 2 (personal data leaves only against a grant), 5
// (acknowledged is durable: a token, a key and its destruction survive a kill
// from the moment the call returned), and of 7 the part about keys and replays
// (a destroyed key opens nothing, a replay brings nothing back, and what is older
// than an erasure can be told from what came after).
//
// Non-goals: deciding (package consent), the log (package eventlog), secure
// deletion below the file system.
package vault
