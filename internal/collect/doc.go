// Package collect takes the events that shops and their customers send, and lets
// through what may be kept.
//
// It speaks the bodies of Segment's HTTP tracking API (package api speaks the
// HTTP): identify, track, page, screen, group, alias, and batches of them. Of
// each message it reads the declared fields and nothing else, finds out whose
// they are and whether the speaker has proved to be that person, asks the gate
// for which purposes they may be kept now, seals what is left under the
// person's keys, a piece for each class, and returns when the log has it on disk.
//
//	result, err := collector.Collect(ctx, collect.Request{
//		Source: "web", Speaker: speaker, Kind: "batch", Received: now, Body: body,
//	})
//
// # Who is meant
//
// The user id counts where the speaker proved it, else the anonymous id where
// that was proved, else nobody: then nothing personal is kept ("unproven"). An
// identifier that the declaration does not name, or not for a purpose, keeps
// nothing for it ("identifier_undeclared").
//
// An identify call, or an alias (its previousId is the visitor where no
// anonymousId comes), links the visitor with the user if the speaker proved to be
// both and either is known. Then the stricter choice of the two counts, until they
// choose again. An older call never links whom a newer one parted. Nothing else of
// an alias or a group call is kept ("not_joined").
//
// A source that the operator stopped collects nothing and gives nothing; what it
// refuses still counts.
//
// An identify call keeps declared traits; its context holds nothing but consent,
// since a trait is not an event. A page or screen call is the declared event of
// its name, else "Page Viewed" or "Screen Viewed". Integrations are passed over:
// nothing is forwarded.
//
// # Consent on events
//
// context.consent.categoryPreferences (also spelt categoryPreference) and
// RudderStack's context.consentManagement are read on every event; batch-level
// ones count for every item, and where several disagree the stricter wins. A
// false narrows the event that carries it, whoever speaks, and becomes a choice
// of every person named who is known here, made when the event happened or, where
// nobody proved to be them, when it came; package choices says what such a choice
// does not destroy. It counts in a bad event, too, and in a batch's context of
// which nothing else is taken; where that is no object nothing is kept that a
// refusal could end ("context"). A true gives only in a good event, only for whom the
// speaker proved to be, only if all of a purpose's categories (or its own name)
// are true, only where it is newer than the present choice, and never where the
// purpose needs the person's signature. A standing true
// on ordinary events never overrules what the person chose elsewhere (on the
// privacy page, say), nor does it renew a consent that expired; the event
// "Segment Consent Preference Updated" is an act of the person and does both. It is
// recorded each time, so that no preference overrules it. What one message said it
// does not say again when it is sent again.
// A yes in an event that is more than a minute old ([choices.ReadWithin]) is kept as
// evidence without a notice, and gives nothing that needs a consent until an event of
// now says it again.
// RudderStack's resolutionStrategy is not asked: the declaration says that all
// categories must be true, and a client cannot widen that. Choices are durable
// and in force before the event that brought them is admitted.
//
// # Time
//
// An event happened at received − (sentAt − timestamp); without sentAt at its
// timestamp, without a timestamp when it was received. Up to [MaxAhead] in the
// future is a clock's fault and becomes the time of receipt; beyond that the
// event is dropped ("future").
//
// What happened before a person was erased is dropped as a whole when it comes
// later, whatever it rests on ("erased"): its values, its choices, its links. Whoever
// has the id now is somebody new. A message without a time is of now.
//
// # Once
//
// A message is known by its source and messageId and, sent with a public key, by
// whom the speaker proved to be, so that nobody uses up the ids of others; one
// without an id gets a random one. All pieces of a message carry its id and differ by class. A retry
// is recognised while the first is under way, by a memory of the last
// acknowledged ids, and by the vault's record of the last one to two days; what
// slips through between them the vault folds once. The vault is asked piece by
// piece, since a try that failed may have left some of them on disk: what is
// missing is kept, and a message is a duplicate when all its pieces are there.
// Only messages of which something is kept are remembered.
//
// # JSON
//
// Input is strict UTF-8. What lies deeper than any event may go is cut off before
// anything is looked at, since it makes one event bad. A body that is no JSON fails as a whole before anything
// of it is looked at; anything else that is wrong concerns one event, which is
// counted, answered as accepted and left out. A name that comes twice makes the
// event bad at its top level; inside properties, traits and context the first
// one counts and the others are dropped ("repeated").
//
// Promises kept here: 1 (default deny, field by field, before anything is
// durable), 4 (nothing undeclared is kept; IP address and browser only where
// they are declared), 5 (acknowledged is durable), 7 in part (no event of before an
// erasure comes back).
//
// Non-goals: HTTP, keys of the API, joining people, forwarding to destinations.
package collect
