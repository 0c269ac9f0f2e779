// Package web serves the demo page: what Accord does, live, for somebody who
// has never seen it.
//
// The page shows events arriving (which fields were kept, which were dropped
// and why), decisions leaving (personal or not, with their reasons) and reads
// that the gate refused. One customer is chosen; every purpose of the
// declaration has a switch in the declaration's own words, and flipping one
// shows the next answer beside the one of before, each with its receipt in
// plain words.
//
//	feed := web.NewFeed()
//	mux.Handle("/demo/", web.New(web.Config{Demo: demo, Feed: feed, Counters: counters, Picture: picture}))
//	server.RegisterOnShutdown(feed.Close) // ends the pages' streams
//	feed.Publish(web.Activity{Time: now, Refusal: &web.Refusal{…}})
//
// The page is HTML from the server; a small script swaps parts of it and
// listens to one stream of server-sent events. It needs nothing from elsewhere,
// runs under a Content-Security-Policy without inline code, and works without
// the script except for what is live.
//
// Promises kept here: 1 and 6, made visible: why something was dropped or
// refused stands beside it, and every answer shows its receipt. And three of
// the package's own:
//
//   - Publish never waits. A page that cannot follow loses activities, and is
//     told how many.
//   - Nothing that came from outside is ever taken for markup or script.
//   - Only a page of this server can flip a switch.
//
// Non-goals: deciding who may see the page (the demo's customers are simulated,
// so everybody may), the customers' portal and the console.
package web
